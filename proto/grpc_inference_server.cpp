#include <grpc/support/time.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/support/server_callback.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <map>
#include <mutex>

#include "baton/v1/inference.grpc.pb.h"
#include "proto/grpc_answer.h"
#include "proto/inference.h"

namespace baton::rpc {

namespace {

using boost::asio::any_io_executor;

std::string api_key(const grpc::CallbackServerContext& context) {
  constexpr std::string_view kScheme = "bearer ";  // the scheme's case doesn't matter (RFC 9110)
  const auto found = context.client_metadata().find("authorization");
  if (found == context.client_metadata().end()) return {};
  const std::string_view value(found->second.data(), found->second.size());
  const auto same = [](char scheme, char given) { return scheme == (given | 0x20); };
  const bool bearer = value.size() > kScheme.size() &&
                      std::equal(kScheme.begin(), kScheme.end(), value.begin(), same);
  return bearer ? std::string(value.substr(kScheme.size())) : std::string();
}

std::optional<Duration> time_left(const grpc::CallbackServerContext& context) {
  const gpr_timespec deadline = context.raw_deadline();
  if (gpr_time_cmp(deadline, gpr_inf_future(deadline.clock_type)) == 0) return std::nullopt;
  const gpr_timespec left = gpr_time_sub(deadline, gpr_now(deadline.clock_type));
  return std::chrono::seconds(left.tv_sec) + Duration(left.tv_nsec);
}

const Refusal& closing() {
  static const Refusal refusal(fail(ErrorCode::unavailable, "The server is closing."), "DRAINING");
  return refusal;
}

// What the service and its pending calls share. After close() nothing is posted any more and every
// call ends without the handler's help.
class Shared : public std::enable_shared_from_this<Shared> {
 public:
  Shared(any_io_executor executor, const GrpcOptions& options, InferenceHandler* handler)
      : executor(std::move(executor)), options(options), handler_(handler) {}

  const any_io_executor executor;
  const GrpcOptions options;

  void close() {
    std::vector<std::weak_ptr<OpenAnswer>> answers;
    std::map<uint64_t, Question> questions;
    {
      std::lock_guard lock(mutex_);
      handler_ = nullptr;
      answers.swap(answers_);
      questions.swap(questions_);
    }
    for (const auto& [number, question] : questions) question.refuse(closing());
    for (const auto& weak : answers) {
      if (auto answer = weak.lock()) answer->refuse(closing());
    }
  }

  // Hands a call whose answer is a stream to the handler, unless the server is full or closing.
  void admit(const std::shared_ptr<OpenAnswer>& answer, std::string key,
             std::function<void(InferenceHandler&)> hand_over) {
    {
      std::lock_guard lock(mutex_);
      std::erase_if(answers_, [](const auto& weak) { return weak.expired(); });
      if (handler_ && answers_.size() < options.streams_max) {
        answers_.push_back(answer);
        boost::asio::post(executor, [shared = shared_from_this(), answer, key = std::move(key),
                                     hand_over = std::move(hand_over)] {
          auto* handler = shared->open_handler();
          if (!handler) return;
          if (!handler->allows(key)) return answer->end(not_allowed());
          hand_over(*handler);
        });
        return;
      }
    }
    answer->refuse({fail(ErrorCode::resource_exhausted,
                         "The server is closing or serves all the calls it may."),
                    "TOO_MANY_CALLS", Duration(1s)});
  }

  // A call with one answer: `hand_over` gets what answers it, once. `write` fills gRPC's response,
  // which is there as long as the question is open.
  template <class Answer>
  void ask(grpc::CallbackServerContext* context, grpc::ServerUnaryReactor* reactor,
           std::function<void(const Answer&)> write,
           std::function<void(InferenceHandler&, Reply<Answer>)> hand_over) {
    uint64_t number = 0;
    {
      std::lock_guard lock(mutex_);
      number = handler_ ? ++questions_asked_ : 0;
      if (number > 0) questions_.emplace(number, Question{context, reactor});
    }
    if (number == 0) return Question{context, reactor}.refuse(closing());
    boost::asio::post(executor, [shared = shared_from_this(), number, key = api_key(*context),
                                 write = std::move(write), hand_over = std::move(hand_over)] {
      auto* handler = shared->open_handler();
      if (!handler) return;
      if (!handler->allows(key)) {
        return shared->answer(
            number, [](const Question& question) { question.reactor->Finish(not_allowed()); });
      }
      hand_over(*handler, [shared, number, write](boost::system::result<Answer, Refusal> result) {
        shared->answer(number, [&](const Question& question) {
          if (!result) return question.refuse(result.error());
          write(*result);
          question.reactor->Finish(grpc::Status::OK);
        });
      });
    });
  }

 private:
  // Both are gRPC's own, until Finish.
  struct Question {
    grpc::CallbackServerContext* context;
    grpc::ServerUnaryReactor* reactor;
    void refuse(const Refusal& refusal) const {
      add_trailers(*context, refusal);
      reactor->Finish(to_status(refusal));
    }
  };

  // On the executor, as close() is: what it returns stays valid for the handler's turn.
  InferenceHandler* open_handler() {
    std::lock_guard lock(mutex_);
    return handler_;
  }

  // The question is either here, then its response is alive too, or it has its answer.
  void answer(uint64_t number, const std::function<void(const Question&)>& finish) {
    std::lock_guard lock(mutex_);
    const auto question = questions_.extract(number);
    if (!question.empty()) finish(question.mapped());
  }

  std::mutex mutex_;
  InferenceHandler* handler_;  // nullptr once closed
  std::vector<std::weak_ptr<OpenAnswer>> answers_;
  std::map<uint64_t, Question> questions_;
  uint64_t questions_asked_ = 0;
};

using GenerateStream = StreamAnswer<v1::GenerateResponse>;
using ChatStream = StreamAnswer<v1::ChatResponse>;

// Calls come on gRPC's threads and go to the handler on the executor.
class Service final : public v1::Inference::CallbackService {
 public:
  Service(any_io_executor executor, InferenceHandler& handler, const GrpcOptions& options)
      : shared_(std::make_shared<Shared>(std::move(executor), options, &handler)) {}

  void close() { shared_->close(); }

  grpc::ServerWriteReactor<v1::GenerateResponse>* Generate(
      grpc::CallbackServerContext* context, const v1::GenerateRequest* request) override {
    auto answer = std::make_shared<GenerateStream>(context, shared_->executor, shared_->options);
    auto* reactor = answer->begin();
    auto call = decode(*request);
    if (!call) {
      answer->refuse(call.error());
      return reactor;
    }
    call->api_key = api_key(*context);
    call->time_left = time_left(*context);
    shared_->admit(answer, call->api_key, [call = *call, answer](InferenceHandler& handler) {
      using Sink = StreamSink<v1::GenerateResponse, TokenEvent, GenerateEvent>;
      handler.generate(call, std::make_unique<Sink>(answer));
    });
    return reactor;
  }

  grpc::ServerWriteReactor<v1::ChatResponse>* Chat(grpc::CallbackServerContext* context,
                                                   const v1::ChatRequest* request) override {
    auto answer = std::make_shared<ChatStream>(context, shared_->executor, shared_->options);
    auto* reactor = answer->begin();
    auto call = decode(*request);
    if (!call) {
      answer->refuse(call.error());
      return reactor;
    }
    call->turn.api_key = api_key(*context);
    call->turn.time_left = time_left(*context);
    shared_->admit(answer, call->turn.api_key, [call = *call, answer](InferenceHandler& handler) {
      using Sink = StreamSink<v1::ChatResponse, ChatDelta, ChatEvent>;
      handler.chat(call, std::make_unique<Sink>(answer));
    });
    return reactor;
  }

  grpc::ServerUnaryReactor* Tokenize(grpc::CallbackServerContext* context,
                                     const v1::TokenizeRequest* request,
                                     v1::TokenizeResponse* response) override {
    auto* reactor = context->DefaultReactor();
    auto call = decode(*request);
    shared_->ask<TokenizeAnswer>(
        context, reactor, [response](const TokenizeAnswer& answer) { encode(answer, response); },
        [call](InferenceHandler& handler, Reply<TokenizeAnswer> reply) {
          if (!call) return reply(Refusal(call.error()));
          handler.tokenize(*call, std::move(reply));
        });
    return reactor;
  }

  grpc::ServerUnaryReactor* Detokenize(grpc::CallbackServerContext* context,
                                       const v1::DetokenizeRequest* request,
                                       v1::DetokenizeResponse* response) override {
    auto* reactor = context->DefaultReactor();
    auto call = decode(*request);
    shared_->ask<std::string>(
        context, reactor, [response](const std::string& text) { response->set_text(utf8(text)); },
        [call](InferenceHandler& handler, Reply<std::string> reply) {
          if (!call) return reply(Refusal(call.error()));
          handler.detokenize(*call, std::move(reply));
        });
    return reactor;
  }

  grpc::ServerUnaryReactor* Models(grpc::CallbackServerContext* context, const v1::ModelsRequest*,
                                   v1::ModelsResponse* response) override {
    using Models = std::vector<ModelInfo>;
    auto* reactor = context->DefaultReactor();
    shared_->ask<Models>(
        context, reactor, [response](const Models& models) { encode(models, response); },
        [](InferenceHandler& handler, const Reply<Models>& reply) { reply(handler.models()); });
    return reactor;
  }

 private:
  const std::shared_ptr<Shared> shared_;
};

class GrpcInferenceServer final : public InferenceServer {
 public:
  GrpcInferenceServer(any_io_executor executor, InferenceHandler& handler,
                      const GrpcOptions& options)
      : options_(options), service_(std::move(executor), handler, options) {}

  ~GrpcInferenceServer() override {
    service_.close();
    if (started_.server) started_.server->Shutdown(after(options_.close_grace));
  }

  Result<void> start(const std::string& host, uint16_t port) {
    BATON_TRY(started, start_server(host, port, {&service_}, options_));
    started_ = std::move(started);
    return {};
  }

  std::string address() const override { return started_.address; }
  void set_serving(bool serving) override {
    auto* health = started_.server->GetHealthCheckService();
    health->SetServingStatus(v1::Inference::service_full_name(), serving);  // the first adds it
    health->SetServingStatus(serving);
  }

 private:
  const GrpcOptions options_;
  Service service_;
  StartedServer started_;  // before the service in destruction
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
