#include <grpc/support/time.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/support/server_callback.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <map>
#include <mutex>

#include "baton/v1/inference.grpc.pb.h"
#include "proto/codec_internal.h"
#include "proto/grpc_internal.h"
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

grpc::Status not_allowed() {
  return {
      grpc::StatusCode::UNAUTHENTICATED,
      "The API key is missing or wrong; send it as the metadata \"authorization: Bearer KEY\"."};
}

std::optional<Duration> time_left(const grpc::CallbackServerContext& context) {
  const gpr_timespec deadline = context.raw_deadline();
  if (gpr_time_cmp(deadline, gpr_inf_future(deadline.clock_type)) == 0) return std::nullopt;
  const gpr_timespec left = gpr_time_sub(deadline, gpr_now(deadline.clock_type));
  return std::chrono::seconds(left.tv_sec) + Duration(left.tv_nsec);
}

// The answer to one call. It owns itself until gRPC's OnDone; its lock comes before its inbox's.
class Answer final : public grpc::ServerWriteReactor<v1::GenerateResponse>,
                     public std::enable_shared_from_this<Answer> {
 public:
  Answer(grpc::CallbackServerContext* context, any_io_executor executor, const GrpcOptions& options)
      : context_(context),
        queue_(options.unsent),
        cancelled_(std::make_shared<Inbox<std::monostate>>(std::move(executor), LinkLimits{})) {}

  // Returns the reactor that gRPC is to drive.
  Answer* begin() {
    self_ = shared_from_this();
    return this;
  }

  void send(const GenerateEvent& event) {
    v1::GenerateResponse wire;
    encode(event, &wire);
    const size_t bytes = wire.ByteSizeLong();
    std::lock_guard lock(mutex_);
    if (ending_) return;
    if (!queue_.add(std::move(wire), bytes)) {
      end_with(to_status(fail(ErrorCode::resource_exhausted, "The client does not read.")));
      queue_.clear();
      cancelled_->end(fail(ErrorCode::cancelled, "The client does not read."));
      if (!finished_) context_->TryCancel();
    }
    write_next();
  }

  void finish(const grpc::Status& status, const std::string& param = {},
              std::optional<Duration> retry_after = std::nullopt) {
    std::lock_guard lock(mutex_);
    if (ending_) return;
    if (!param.empty()) context_->AddTrailingMetadata("error-param", utf8(param));
    if (retry_after)
      context_->AddTrailingMetadata("retry-after-ms", std::to_string(to_ms(*retry_after)));
    end_with(status);
    write_next();
  }

  Inbox<std::monostate>& cancelled() { return *cancelled_; }

 private:
  void OnWriteDone(bool ok) override {
    std::lock_guard lock(mutex_);
    queue_.written();
    if (!ok) queue_.clear();
    write_next();
  }

  void OnCancel() override {
    std::lock_guard lock(mutex_);
    cancelled_->end(fail(ErrorCode::cancelled, "The client is gone or its time is over."));
    end_with(grpc::Status::CANCELLED);
    queue_.clear();
    write_next();
  }

  void OnDone() override { const auto self = std::move(self_); }

  // The first end counts.
  void end_with(const grpc::Status& status) {
    if (!std::exchange(ending_, true)) status_ = status;
  }

  void write_next() {
    if (finished_) return;
    if (const auto* next = queue_.start()) {
      StartWrite(next);
    } else if (ending_ && queue_.idle()) {
      finished_ = true;
      Finish(status_);
    }
  }

  grpc::CallbackServerContext* const context_;  // gRPC's own, until OnDone
  std::mutex mutex_;
  SendQueue<v1::GenerateResponse> queue_;
  grpc::Status status_;
  bool ending_ = false;
  bool finished_ = false;
  const std::shared_ptr<Inbox<std::monostate>> cancelled_;  // only its on_down is used
  std::shared_ptr<Answer> self_;
};

class AnswerSink final : public GenerateSink {
 public:
  explicit AnswerSink(std::shared_ptr<Answer> answer) : answer_(std::move(answer)) {}
  ~AnswerSink() override {
    finish(fail(ErrorCode::internal, "The request was dropped without an answer."));
  }

  void send(TokenEvent event) override { answer_->send(std::move(event)); }

  void finish(Result<Usage> result) override {
    answer_->cancelled().silence();
    if (!result) return answer_->finish(to_status(result.error()), result.error().param);
    answer_->send(*result);
    answer_->finish(grpc::Status::OK);
  }

  void refuse(Error error, Duration retry_after) override {
    answer_->cancelled().silence();
    answer_->finish(to_status(error), error.param, retry_after);
  }

  void on_cancel(std::function<void()> callback) override {
    answer_->cancelled().open(
        {.on_message = nullptr,
         .on_down = [callback = std::move(callback)](const Error&) { callback(); }});
  }

 private:
  const std::shared_ptr<Answer> answer_;
};

// Calls come on gRPC's threads and go to the handler on the executor. After close() nothing is
// posted any more and every call ends without the handler's help.
class Service final : public v1::Inference::CallbackService {
 public:
  Service(any_io_executor executor, InferenceHandler& handler, const GrpcOptions& options)
      : shared_(std::make_shared<Shared>(std::move(executor), options, &handler)) {}

  void close() {
    std::vector<std::weak_ptr<Answer>> answers;
    std::map<uint64_t, grpc::ServerUnaryReactor*> questions;
    {
      std::lock_guard lock(shared_->mutex);
      shared_->handler = nullptr;
      answers.swap(shared_->answers);
      questions.swap(shared_->questions);
    }
    const auto closing = to_status(fail(ErrorCode::unavailable, "The server is closing."));
    for (const auto& [number, reactor] : questions) reactor->Finish(closing);
    for (const auto& weak : answers) {
      if (auto answer = weak.lock()) answer->finish(closing);
    }
  }

  grpc::ServerWriteReactor<v1::GenerateResponse>* Generate(
      grpc::CallbackServerContext* context, const v1::GenerateRequest* request) override {
    auto answer = std::make_shared<Answer>(context, shared_->executor, shared_->options);
    auto* reactor = answer->begin();
    auto call = decode(*request);
    if (!call) {
      answer->finish(to_status(call.error()), call.error().param);
      return reactor;
    }
    call->api_key = api_key(*context);
    call->time_left = time_left(*context);
    if (!shared_->admit(answer, std::move(*call))) {
      answer->finish(to_status(fail(ErrorCode::resource_exhausted,
                                    "The server is closing or serves all the calls it may.")));
    }
    return reactor;
  }

  grpc::ServerUnaryReactor* Models(grpc::CallbackServerContext* context, const v1::ModelsRequest*,
                                   v1::ModelsResponse* response) override {
    auto* reactor = context->DefaultReactor();
    std::lock_guard lock(shared_->mutex);
    if (!shared_->handler) {
      reactor->Finish(to_status(fail(ErrorCode::unavailable, "The server is closing.")));
      return reactor;
    }
    const uint64_t number = shared_->questions_asked++;
    shared_->questions.emplace(number, reactor);
    boost::asio::post(shared_->executor,
                      [shared = shared_, number, key = api_key(*context), response] {
                        shared->answer_models(number, key, response);
                      });
    return reactor;
  }

 private:
  struct Shared : std::enable_shared_from_this<Shared> {
    Shared(any_io_executor executor, const GrpcOptions& options, InferenceHandler* handler)
        : executor(std::move(executor)), options(options), handler(handler) {}

    // Hands the call to the handler, unless the server is full or closing.
    bool admit(const std::shared_ptr<Answer>& answer, GenerateCall call) {
      std::lock_guard lock(mutex);
      std::erase_if(answers, [](const auto& weak) { return weak.expired(); });
      if (!handler || answers.size() >= options.streams_max) return false;
      answers.push_back(answer);
      boost::asio::post(executor,
                        [shared = shared_from_this(), answer, call = std::move(call)]() mutable {
                          auto* handler = shared->open_handler();
                          if (!handler) return;
                          if (!handler->allows(call.api_key)) return answer->finish(not_allowed());
                          handler->generate(std::move(call), std::make_unique<AnswerSink>(answer));
                        });
      return true;
    }

    // On the executor, as close() is: what it returns stays valid for the handler's turn.
    InferenceHandler* open_handler() {
      std::lock_guard lock(mutex);
      return handler;
    }

    // The question is either here, then its response is alive too, or it was ended by close().
    void answer_models(uint64_t number, const std::string& key, v1::ModelsResponse* response) {
      auto* open = open_handler();
      if (!open) return;
      const bool allowed = open->allows(key);
      if (allowed) encode(open->models(), response);
      std::lock_guard lock(mutex);
      const auto question = questions.extract(number);
      if (!question.empty()) question.mapped()->Finish(allowed ? grpc::Status::OK : not_allowed());
    }

    const any_io_executor executor;
    const GrpcOptions options;
    std::mutex mutex;
    InferenceHandler* handler;  // nullptr once closed
    std::vector<std::weak_ptr<Answer>> answers;
    std::map<uint64_t, grpc::ServerUnaryReactor*> questions;  // gRPC's own, until Finish
    uint64_t questions_asked = 0;
  };

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
