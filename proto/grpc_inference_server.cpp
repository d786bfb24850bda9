#include <grpcpp/health_check_service_interface.h>

#include "baton/v1/inference.grpc.pb.h"
#include "proto/grpc_calls.h"
#include "proto/inference.h"
#include "proto/open_inference.h"

namespace baton::rpc {

namespace {

using boost::asio::any_io_executor;

// The numbers of the methods, in the order of the service.
enum Method : int { kGenerate, kChat, kTokenize, kDetokenize, kModels };

// Calls come on gRPC's threads and go to the handler on the executor. Messages are parsed here, not
// by gRPC: it tells clients that a method is unimplemented where its message can't be read.
class Service final : public v1::Inference::Service {
 public:
  explicit Service(std::shared_ptr<Calls> calls) : shared_(std::move(calls)) {
    serve_stream<v1::GenerateRequest, v1::GenerateResponse>(kGenerate, &Service::generate);
    serve_stream<v1::ChatRequest, v1::ChatResponse>(kChat, &Service::chat);
    serve<v1::TokenizeRequest, v1::TokenizeResponse>(kTokenize, &Service::tokenize);
    serve<v1::DetokenizeRequest, v1::DetokenizeResponse>(kDetokenize, &Service::detokenize);
    serve<v1::ModelsRequest, v1::ModelsResponse>(kModels, &Service::models);
  }

 private:
  using Context = grpc::CallbackServerContext;
  template <class Response>
  using AnswerPtr = std::shared_ptr<StreamAnswer<Response>>;
  using Unary = grpc::ServerUnaryReactor;

  template <class Request, class Response>
  void serve_stream(Method method, void (Service::*answer_to)(Context*, const Request&,
                                                              const AnswerPtr<Response>&)) {
    const auto begin = [this, answer_to](Context* context, const grpc::ByteBuffer* bytes) {
      auto answer =
          std::make_shared<StreamAnswer<Response>>(context, shared_->executor, shared_->options);
      auto* reactor = answer->begin();
      Request request;
      if (parse(*bytes, &request)) {
        (this->*answer_to)(context, request, answer);
      } else {
        answer->refuse(no_message());
      }
      return reactor;
    };
    MarkMethodRawCallback(
        method,
        new grpc::internal::CallbackServerStreamingHandler<grpc::ByteBuffer, Response>(begin));
  }

  template <class Request, class Response>
  void serve(Method method,
             void (Service::*answer_to)(Context*, Unary*, const Request&, Response*)) {
    const auto begin = [this, answer_to](Context* context, const grpc::ByteBuffer* bytes,
                                         Response* response) {
      auto* reactor = context->DefaultReactor();
      Request request;
      if (parse(*bytes, &request)) {
        (this->*answer_to)(context, reactor, request, response);
      } else {
        add_trailers(*context, no_message());
        reactor->Finish(to_status(no_message()));
      }
      return reactor;
    };
    MarkMethodRawCallback(
        method, new grpc::internal::CallbackUnaryHandler<grpc::ByteBuffer, Response>(begin));
  }

  void generate(Context* context, const v1::GenerateRequest& request,
                const AnswerPtr<v1::GenerateResponse>& answer) {
    auto call = decode(request);
    if (!call) return answer->refuse(call.error());
    call->api_key = api_key(*context);
    call->time_left = time_left(*context);
    shared_->admit(answer, call->api_key, [call = *call, answer](InferenceHandler& handler) {
      using Sink = StreamSink<v1::GenerateResponse, TokenEvent, GenerateEvent>;
      handler.generate(call, std::make_unique<Sink>(answer));
    });
  }

  void chat(Context* context, const v1::ChatRequest& request,
            const AnswerPtr<v1::ChatResponse>& answer) {
    auto call = decode(request);
    if (!call) return answer->refuse(call.error());
    call->turn.api_key = api_key(*context);
    call->turn.time_left = time_left(*context);
    shared_->admit(answer, call->turn.api_key, [call = *call, answer](InferenceHandler& handler) {
      using Sink = StreamSink<v1::ChatResponse, ChatDelta, ChatEvent>;
      handler.chat(call, std::make_unique<Sink>(answer));
    });
  }

  void tokenize(Context* context, Unary* reactor, const v1::TokenizeRequest& request,
                v1::TokenizeResponse* response) {
    shared_->ask<TokenizeAnswer>(
        context, reactor, [response](const TokenizeAnswer& answer) { encode(answer, response); },
        [call = decode(request)](InferenceHandler& handler, Reply<TokenizeAnswer> reply) {
          if (!call) return reply(Refusal(call.error()));
          handler.tokenize(*call, std::move(reply));
        });
  }

  void detokenize(Context* context, Unary* reactor, const v1::DetokenizeRequest& request,
                  v1::DetokenizeResponse* response) {
    shared_->ask<std::string>(
        context, reactor, [response](const std::string& text) { response->set_text(utf8(text)); },
        [call = decode(request)](InferenceHandler& handler, Reply<std::string> reply) {
          if (!call) return reply(Refusal(call.error()));
          handler.detokenize(*call, std::move(reply));
        });
  }

  void models(Context* context, Unary* reactor, const v1::ModelsRequest&,
              v1::ModelsResponse* response) {
    using Models = std::vector<ModelInfo>;
    shared_->ask<Models>(
        context, reactor, [response](const Models& models) { encode(models, response); },
        [](InferenceHandler& handler, const Reply<Models>& reply) { reply(handler.models()); });
  }

  const std::shared_ptr<Calls> shared_;
};

class GrpcInferenceServer final : public InferenceServer {
 public:
  GrpcInferenceServer(any_io_executor executor, InferenceHandler& handler,
                      const GrpcOptions& options)
      : calls_(std::make_shared<Calls>(std::move(executor), options, &handler)),
        service_(calls_),
        open_(open_inference(calls_)) {}

  ~GrpcInferenceServer() override {
    calls_->close();
    if (started_.server) started_.server->Shutdown(after(calls_->options.close_grace));
  }

  Result<void> start(const std::string& host, uint16_t port) {
    BATON_TRY(started, start_server(host, port, {&service_, open_->service()}, calls_->options));
    started_ = std::move(started);
    return {};
  }

  std::string address() const override { return started_.address; }
  void set_serving(bool serving) override {
    auto* health = started_.server->GetHealthCheckService();
    health->SetServingStatus(v1::Inference::service_full_name(), serving);  // the first adds it
    health->SetServingStatus(serving);
    open_->set_serving(serving);
  }

 private:
  const std::shared_ptr<Calls> calls_;
  Service service_;
  const std::unique_ptr<OpenInference> open_;
  StartedServer started_;  // before the services in destruction
};

}  // namespace

Result<std::unique_ptr<InferenceServer>> serve_inference(any_io_executor executor,
                                                         const std::string& host, uint16_t port,
                                                         InferenceHandler& handler,
                                                         const GrpcOptions& options) {
  GrpcOptions with_reflection = options;
  with_reflection.reflection = true;
  auto server =
      std::make_unique<GrpcInferenceServer>(std::move(executor), handler, with_reflection);
  BATON_CHECKED(server->start(host, port));
  return std::unique_ptr<InferenceServer>(std::move(server));
}

}  // namespace baton::rpc
