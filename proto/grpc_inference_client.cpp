#include <grpcpp/client_context.h>
#include <grpcpp/support/client_callback.h>

#include <charconv>
#include <mutex>

#include "baton/v1/inference.grpc.pb.h"
#include "proto/codec_internal.h"
#include "proto/grpc_internal.h"
#include "proto/inference.h"

namespace baton::rpc {

namespace {

using boost::asio::any_io_executor;

// How a call ended, written before the inbox's end and read in its on_down.
struct CallEnd {
  std::optional<Usage> usage;
  bool ok = false;
  std::optional<Duration> retry_after;
};

std::optional<Duration> retry_after(const grpc::ClientContext& context) {
  const auto& metadata = context.GetServerTrailingMetadata();
  const auto found = metadata.find("retry-after-ms");
  if (found == metadata.end()) return std::nullopt;
  int64_t value = 0;
  const auto* end = found->second.data() + found->second.size();
  if (std::from_chars(found->second.data(), end, value).ptr != end || value < 0)
    return std::nullopt;
  return std::chrono::milliseconds(value);
}

std::string error_param(const grpc::ClientContext& context) {
  const auto& metadata = context.GetServerTrailingMetadata();
  const auto found = metadata.find("error-param");
  if (found == metadata.end()) return {};
  return {found->second.data(), found->second.size()};
}

void add_key(grpc::ClientContext& context, const std::string& api_key) {
  if (!api_key.empty()) context.AddMetadata("authorization", "Bearer " + api_key);
}

void prepare(grpc::ClientContext& context, const GenerateCall& call) {
  add_key(context, call.api_key);
  if (call.time_left) context.set_deadline(after(*call.time_left));
}

// One call; owns itself until gRPC's OnDone. Reading waits while the inbox is full.
class CallStream final : public grpc::ClientReadReactor<v1::GenerateResponse>,
                         public std::enable_shared_from_this<CallStream> {
 public:
  CallStream(std::shared_ptr<v1::Inference::Stub> stub, std::string address)
      : stub_(std::move(stub)), address_(std::move(address)) {}

  void begin(any_io_executor executor, const GenerateCall& call, GenerateEvents events,
             const GrpcOptions& options) {
    self_ = shared_from_this();
    inbox_ = std::make_shared<Inbox<GenerateEvent>>(std::move(executor), options.unread,
                                                    [weak = weak_from_this()] {
                                                      if (auto self = weak.lock()) self->resume();
                                                    });
    inbox_->open(link_events(std::move(events)));
    prepare(context_, call);
    encode(call, &request_);
    stub_->async()->Generate(&context_, &request_, this);
    AddHold();  // reading resumes from outside gRPC's callbacks
    StartRead(&incoming_);
    StartCall();
  }

  void cancel() { context_.TryCancel(); }

  void silence() {
    inbox_->silence();
    cancel();
    resume();
  }

 private:
  LinkEvents<GenerateEvent> link_events(GenerateEvents events) {
    auto shared_events = std::make_shared<GenerateEvents>(std::move(events));
    return {.on_message =
                [shared_events, end = end_](GenerateEvent event) {
                  if (auto* token = std::get_if<TokenEvent>(&event)) {
                    shared_events->on_token(std::move(*token));
                  } else {
                    end->usage = std::get<Usage>(event);
                  }
                },
            .on_down =
                [shared_events, end = end_](Error error) {
                  if (end->ok && end->usage) return shared_events->on_end(*end->usage, {});
                  if (end->ok)
                    error = fail(ErrorCode::corrupt, "The answer ended without its usage.");
                  shared_events->on_end(std::move(error), end->retry_after);
                }};
  }

  void OnReadDone(bool ok) override {
    Result<GenerateEvent> event = ok ? decode(incoming_) : Result<GenerateEvent>(Error{});
    std::lock_guard lock(mutex_);
    if (!ok) {
      ended_ = true;
      RemoveHold();
      return;
    }
    if (!event) {
      if (!broken_) broken_ = event.error();
      context_.TryCancel();
      StartRead(&incoming_);
      return;
    }
    const auto pushed = inbox_->push(std::move(*event), incoming_.ByteSizeLong());
    if (pushed == Pushed::full) {
      paused_ = true;
    } else {
      StartRead(&incoming_);  // also when silenced: the end of the stream must be seen
    }
  }

  void OnDone(const grpc::Status& status) override {
    end_->ok = status.ok() && !broken_;
    end_->retry_after = retry_after(context_);
    Error error = broken_.value_or(to_error(status, address_));
    if (!broken_) error.param = error_param(context_);
    inbox_->end(std::move(error));
    const auto self = std::move(self_);
  }

  void resume() {
    std::lock_guard lock(mutex_);
    if (std::exchange(paused_, false) && !ended_) StartRead(&incoming_);
  }

  const std::shared_ptr<v1::Inference::Stub> stub_;
  const std::string address_;
  const std::shared_ptr<CallEnd> end_ = std::make_shared<CallEnd>();
  grpc::ClientContext context_;
  v1::GenerateRequest request_;
  v1::GenerateResponse incoming_;  // belongs to the read in flight
  std::shared_ptr<Inbox<GenerateEvent>> inbox_;
  std::mutex mutex_;
  bool paused_ = false;
  bool ended_ = false;
  std::optional<Error> broken_;  // an event that could not be understood
  std::shared_ptr<CallStream> self_;
};

class GrpcGeneration final : public Generation {
 public:
  explicit GrpcGeneration(std::shared_ptr<CallStream> stream) : stream_(std::move(stream)) {}
  ~GrpcGeneration() override { stream_->silence(); }
  void cancel() override { stream_->cancel(); }

 private:
  const std::shared_ptr<CallStream> stream_;
};

// A question for the models, alive until gRPC has its answer.
struct ModelsQuestion {
  grpc::ClientContext context;
  v1::ModelsRequest request;
  v1::ModelsResponse response;
};

using ModelsAnswer = Result<std::vector<ModelInfo>>;

class GrpcInferenceClient final : public InferenceClient {
 public:
  GrpcInferenceClient(any_io_executor executor, std::string address, const GrpcOptions& options)
      : executor_(std::move(executor)),
        address_(std::move(address)),
        options_(options),
        stub_(v1::Inference::NewStub(open_channel(address_, options_))) {}

  ~GrpcInferenceClient() override {
    for (const auto& weak : pending_) {
      if (auto inbox = weak.lock()) inbox->silence();
    }
  }

  std::unique_ptr<Generation> generate(const GenerateCall& call, GenerateEvents events) override {
    auto stream = std::make_shared<CallStream>(stub_, address_);
    stream->begin(executor_, call, std::move(events), options_);
    return std::make_unique<GrpcGeneration>(std::move(stream));
  }

  void models(const std::string& api_key, std::function<void(ModelsAnswer)> done) override {
    auto inbox = std::make_shared<Inbox<ModelsAnswer>>(executor_, LinkLimits{});
    inbox->open({.on_message = std::move(done), .on_down = [](const Error&) {}});
    std::erase_if(pending_, [](const auto& weak) { return weak.expired(); });
    pending_.push_back(inbox);
    auto question = std::make_shared<ModelsQuestion>();
    question->context.set_deadline(after(options_.connect_timeout));
    add_key(question->context, api_key);
    stub_->async()->Models(&question->context, &question->request, &question->response,
                           [question, inbox, address = address_](const grpc::Status& status) {
                             inbox->push(status.ok() ? decode(question->response)
                                                     : ModelsAnswer(to_error(status, address)));
                             inbox->end(Error{});  // lets go of the callback
                           });
  }

 private:
  const any_io_executor executor_;
  const std::string address_;
  const GrpcOptions options_;
  const std::shared_ptr<v1::Inference::Stub> stub_;
  std::vector<std::weak_ptr<Inbox<ModelsAnswer>>> pending_;
};

}  // namespace

std::unique_ptr<InferenceClient> inference_client(any_io_executor executor,
                                                  const std::string& address,
                                                  const GrpcOptions& options) {
  return std::make_unique<GrpcInferenceClient>(std::move(executor), address, options);
}

}  // namespace baton::rpc
