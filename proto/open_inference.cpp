#include "proto/open_inference.h"

#include <atomic>
#include <cmath>

#include "base/system/options.h"
#include "open_inference.grpc.pb.h"

namespace baton::rpc {

namespace {

namespace wire = ::inference;
using Parameters = google::protobuf::Map<std::string, wire::InferParameter>;

constexpr const char* kInput = "text_input";
constexpr const char* kOutput = "text_output";
constexpr const char* kVersion1 = "1";

Error bad(std::string param, std::string message) {
  Error error = fail(ErrorCode::invalid_argument, "{}", message);
  error.param = std::move(param);
  return error;
}

// ---- what is asked ------------------------------------------------------------------------------

// A raw tensor of texts has each behind its length, four bytes, the low one first.
Result<std::string> raw_text(const std::string& raw) {
  uint64_t length = 0;
  for (size_t i = 0; i < 4 && i < raw.size(); ++i)
    length |= uint64_t{static_cast<unsigned char>(raw[i])} << (8 * i);
  if (raw.size() != 4 + length)
    return bad("raw_input_contents", "It must hold one text behind its length in four bytes.");
  return raw.substr(4);
}

Result<std::string> text_of(const wire::ModelInferRequest& request) {
  if (request.inputs_size() != 1 || request.inputs(0).name() != kInput)
    return bad("inputs", fmt::format("The only input of this model is \"{}\".", kInput));
  const auto& input = request.inputs(0);
  int64_t elements = 1;
  for (const int64_t size : input.shape()) elements = size == 1 ? elements : 0;
  if (input.datatype() != "BYTES" || elements != 1)
    return bad("inputs",
               fmt::format("\"{}\" must be of datatype BYTES, with one element.", kInput));
  if (request.raw_input_contents_size() == 1) return raw_text(request.raw_input_contents(0));
  if (request.raw_input_contents_size() > 1 || input.contents().bytes_contents_size() != 1)
    return bad("inputs", fmt::format("\"{}\" must hold one text.", kInput));
  return input.contents().bytes_contents(0);
}

std::optional<double> number_of(const wire::InferParameter& from) {
  switch (from.parameter_choice_case()) {
    case wire::InferParameter::kInt64Param:
      return static_cast<double>(from.int64_param());
    case wire::InferParameter::kUint64Param:
      return static_cast<double>(from.uint64_param());
    case wire::InferParameter::kDoubleParam:
      if (std::isfinite(from.double_param())) return from.double_param();
      return std::nullopt;
    default:
      return std::nullopt;
  }
}

class ParameterReader {
 public:
  explicit ParameterReader(const Parameters& from) : from_(from) {}

  void real(const char* name, float& to, bool& given) {
    if (const auto* value = find(name)) {
      const auto number = number_of(*value);
      if (!number) return refuse(name, "a number");
      to = static_cast<float>(*number);
      given = true;
    }
  }
  void whole(const char* name, uint32_t& to, bool& given) {
    if (const auto* value = find(name)) {
      const auto number = number_of(*value);
      const bool fits = number && *number >= 0 && *number <= 4294967295.0;
      if (!fits || *number != std::floor(*number)) return refuse(name, "a whole number from 0");
      to = static_cast<uint32_t>(*number);
      given = true;
    }
  }
  void seed(uint64_t& to, bool& given) {
    if (const auto* value = find("seed")) {
      if (value->has_int64_param())
        to = static_cast<uint64_t>(value->int64_param());
      else if (value->has_uint64_param())
        to = value->uint64_param();
      else
        return refuse("seed", "a whole number");
      given = true;
    }
  }
  void text(const char* name, std::vector<std::string>& to) {
    if (const auto* value = find(name)) {
      if (!value->has_string_param()) return refuse(name, "a text");
      to.push_back(value->string_param());
    }
  }
  void flag(const char* name, bool& to) {
    if (const auto* value = find(name)) {
      if (!value->has_bool_param()) return refuse(name, "true or false");
      to = value->bool_param();
    }
  }
  // The first mistake; a parameter that nobody has asked for is one.
  Result<void> result() const {
    if (error_) return *error_;
    for (const auto& [name, value] : from_) {
      if (std::ranges::find(known_, name) == known_.end())
        return bad("parameters." + name, fmt::format("The parameter \"{}\" is unknown.", name));
    }
    return {};
  }

 private:
  const wire::InferParameter* find(const char* name) {
    known_.emplace_back(name);
    const auto found = from_.find(name);
    return found == from_.end() ? nullptr : &found->second;
  }
  void refuse(const char* name, const char* wanted) {
    if (error_) return;
    error_ = bad(fmt::format("parameters.{}", name),
                 fmt::format("The parameter \"{}\" must be {}.", name, wanted));
  }

  const Parameters& from_;
  std::vector<std::string> known_;
  std::optional<Error> error_;
};

Error no_version(const std::string& version) {
  return fail(ErrorCode::not_found, "There is no version \"{}\"; leave it out.", version);
}
bool is_version(const std::string& version) { return version.empty() || version == kVersion1; }

Result<GenerateCall> call_of(const wire::ModelInferRequest& request) {
  if (!is_version(request.model_version())) return no_version(request.model_version());
  GenerateCall call;
  call.model = request.model_name();
  call.request_id = request.id();
  BATON_TRY(text, text_of(request));
  call.prompt = std::move(text);
  ParameterReader read(request.parameters());
  SamplingParams& sampling = call.sampling;
  SamplingGiven& given = call.given;
  read.real("temperature", sampling.temperature, given.temperature);
  read.real("top_p", sampling.top_p, given.top_p);
  read.real("min_p", sampling.min_p, given.min_p);
  read.real("presence_penalty", sampling.presence_penalty, given.presence_penalty);
  read.real("frequency_penalty", sampling.frequency_penalty, given.frequency_penalty);
  read.real("repetition_penalty", sampling.repetition_penalty, given.repetition_penalty);
  read.whole("top_k", sampling.top_k, given.top_k);
  read.whole("max_tokens", call.stop.max_tokens, call.max_tokens_given);
  read.seed(sampling.seed, given.seed);
  read.text("stop", call.stop.strings);
  read.flag("ignore_eos", call.stop.ignore_eos);
  BATON_CHECKED(read.result());
  return call;
}

// ---- what is answered ---------------------------------------------------------------------------

// The answer to one ModelInfer. Owns itself until gRPC's OnDone.
class InferAnswer final : public grpc::ServerUnaryReactor,
                          public OpenAnswer,
                          public std::enable_shared_from_this<InferAnswer> {
 public:
  InferAnswer(grpc::CallbackServerContext* context, const boost::asio::any_io_executor& executor,
              wire::ModelInferResponse* response)
      : context_(context),
        response_(response),
        cancelled_(std::make_shared<Inbox<std::monostate>>(executor, LinkLimits{})) {}

  InferAnswer* begin() {
    self_ = shared_from_this();
    return this;
  }
  void refuse(const Refusal& refusal) override {
    std::lock_guard lock(mutex_);
    if (std::exchange(ended_, true)) return;
    add_trailers(*context_, refusal);
    Finish(to_status(refusal));
  }
  void end(const grpc::Status& status) override {
    std::lock_guard lock(mutex_);
    if (!std::exchange(ended_, true)) Finish(status);
  }
  void answer(const std::function<void(wire::ModelInferResponse&)>& write) {
    std::lock_guard lock(mutex_);
    if (std::exchange(ended_, true)) return;
    write(*response_);
    Finish(grpc::Status::OK);
  }
  Inbox<std::monostate>& cancelled() { return *cancelled_; }

 private:
  void OnCancel() override {
    cancelled_->end(fail(ErrorCode::cancelled, "The client is gone or its time is over."));
    end(grpc::Status::CANCELLED);
  }
  void OnDone() override { const auto self = std::move(self_); }

  grpc::CallbackServerContext* const context_;  // gRPC's own, until OnDone
  wire::ModelInferResponse* const response_;    // the same
  std::mutex mutex_;
  bool ended_ = false;
  const std::shared_ptr<Inbox<std::monostate>> cancelled_;  // only its on_down is used
  std::shared_ptr<InferAnswer> self_;
};

// Gathers the tokens of an answer that is told whole.
class InferSink final : public GenerateSink {
 public:
  InferSink(std::shared_ptr<InferAnswer> answer, const GenerateCall& call)
      : answer_(std::move(answer)), model_(call.model), id_(call.request_id) {}
  ~InferSink() override {
    refuse(fail(ErrorCode::internal, "The request was dropped without an answer."));
  }
  void send(TokenEvent event) override {
    text_ += event.text;
    if (event.finish) finish_ = *event.finish == FinishReason::stop ? "stop" : "length";
  }
  void finish(const Usage& usage) override {
    answer_->cancelled().silence();
    answer_->answer([&](wire::ModelInferResponse& to) {
      to.set_model_name(model_);
      to.set_model_version(kVersion1);
      to.set_id(id_);
      auto& parameters = *to.mutable_parameters();
      parameters["finish_reason"].set_string_param(finish_);
      parameters["prompt_tokens"].set_int64_param(usage.prompt_tokens);
      parameters["completion_tokens"].set_int64_param(usage.completion_tokens);
      auto* output = to.add_outputs();
      output->set_name(kOutput);
      output->set_datatype("BYTES");
      output->add_shape(1);
      output->mutable_contents()->add_bytes_contents(text_);
    });
  }
  void refuse(const Refusal& refusal) override {
    answer_->cancelled().silence();
    answer_->refuse(refusal);
  }
  void on_cancel(std::function<void()> callback) override {
    answer_->cancelled().open(
        {.on_message = nullptr,
         .on_down = [callback = std::move(callback)](const Error&) { callback(); }});
  }

 private:
  const std::shared_ptr<InferAnswer> answer_;
  const std::string model_, id_;
  std::string text_, finish_;
};

// ---- the service --------------------------------------------------------------------------------

using Models = std::vector<ModelInfo>;

bool serves(const Models& models, const std::string& name) {
  return std::ranges::any_of(models, [&](const ModelInfo& model) { return model.name == name; });
}

void describe(const std::string& model, wire::ModelMetadataResponse* to) {
  to->set_name(model);
  to->add_versions(kVersion1);
  to->set_platform("baton");
  const auto text = [](const char* name, wire::ModelMetadataResponse::TensorMetadata* tensor) {
    tensor->set_name(name);
    tensor->set_datatype("BYTES");
    tensor->add_shape(1);
  };
  text(kInput, to->add_inputs());
  text(kOutput, to->add_outputs());
}

// The numbers of the methods, in the order of the service.
enum Method : int { kLive, kReady, kModelReady, kServerMetadata, kModelMetadata, kInfer };

class Service final : public wire::GRPCInferenceService::Service, public OpenInference {
 public:
  explicit Service(std::shared_ptr<Calls> calls) : calls_(std::move(calls)) {
    serve<wire::ServerLiveRequest, wire::ServerLiveResponse>(kLive, &Service::live);
    serve<wire::ServerReadyRequest, wire::ServerReadyResponse>(kReady, &Service::ready);
    serve<wire::ModelReadyRequest, wire::ModelReadyResponse>(kModelReady, &Service::model_ready);
    serve<wire::ServerMetadataRequest, wire::ServerMetadataResponse>(kServerMetadata,
                                                                     &Service::server_metadata);
    serve<wire::ModelMetadataRequest, wire::ModelMetadataResponse>(kModelMetadata,
                                                                   &Service::model_metadata);
    serve<wire::ModelInferRequest, wire::ModelInferResponse>(kInfer, &Service::infer);
  }
  grpc::Service* service() override { return this; }
  void set_serving(bool serving) override { serving_ = serving; }

 private:
  using Context = grpc::CallbackServerContext;
  using Reactor = grpc::ServerUnaryReactor;

  template <class Request, class Response>
  void serve(Method method, Reactor* (Service::*answer)(Context*, const Request&, Response*)) {
    const auto begin = [this, answer](Context* context, const grpc::ByteBuffer* bytes,
                                      Response* response) -> Reactor* {
      Request request;
      if (parse(*bytes, &request)) return (this->*answer)(context, request, response);
      return finished(context, no_message());
    };
    MarkMethodRawCallback(
        method, new grpc::internal::CallbackUnaryHandler<grpc::ByteBuffer, Response>(begin));
  }

  static Reactor* finished(Context* context, const Refusal& refusal) {
    add_trailers(*context, refusal);
    auto* reactor = context->DefaultReactor();
    reactor->Finish(to_status(refusal));
    return reactor;
  }
  static Reactor* finished(Context* context) {
    auto* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
  // What the handler says of its models, to who may know.
  Reactor* ask_models(Context* context, std::function<void(const Models&)> write,
                      std::function<std::optional<Error>(const Models&)> judge = nullptr) {
    auto* reactor = context->DefaultReactor();
    calls_->ask<Models>(
        context, reactor, std::move(write),
        [judge = std::move(judge)](InferenceHandler& handler, const Reply<Models>& reply) {
          Models models = handler.models();
          const auto error = judge ? judge(models) : std::nullopt;
          if (error) return reply(Refusal(*error));
          reply(std::move(models));
        });
    return reactor;
  }

  Reactor* live(Context* context, const wire::ServerLiveRequest&, wire::ServerLiveResponse* to) {
    to->set_live(true);
    return finished(context);
  }
  Reactor* ready(Context* context, const wire::ServerReadyRequest&, wire::ServerReadyResponse* to) {
    to->set_ready(serving_);
    return finished(context);
  }
  Reactor* model_ready(Context* context, const wire::ModelReadyRequest& request,
                       wire::ModelReadyResponse* to) {
    return ask_models(context, [to, name = request.name(), version = request.version(),
                                serving = serving_.load()](const Models& models) {
      to->set_ready(serving && is_version(version) && serves(models, name));
    });
  }
  Reactor* server_metadata(Context* context, const wire::ServerMetadataRequest&,
                           wire::ServerMetadataResponse* to) {
    return ask_models(context, [to](const Models&) {
      to->set_name("baton");
      to->set_version(kVersion);
    });
  }
  Reactor* model_metadata(Context* context, const wire::ModelMetadataRequest& request,
                          wire::ModelMetadataResponse* to) {
    const auto judge = [name = request.name(),
                        version = request.version()](const Models& models) -> std::optional<Error> {
      if (!is_version(version)) return no_version(version);
      if (serves(models, name)) return std::nullopt;
      return fail(ErrorCode::not_found, "The model \"{}\" is not served here.", name);
    };
    return ask_models(
        context, [to, name = request.name()](const Models&) { describe(name, to); }, judge);
  }

  Reactor* infer(Context* context, const wire::ModelInferRequest& request,
                 wire::ModelInferResponse* response) {
    auto call = call_of(request);
    if (!call) return finished(context, call.error());
    call->api_key = api_key(*context);
    call->time_left = time_left(*context);
    auto answer = std::make_shared<InferAnswer>(context, calls_->executor, response);
    auto* reactor = answer->begin();
    calls_->admit(answer, call->api_key, [call = *call, answer](InferenceHandler& handler) {
      handler.generate(call, std::make_unique<InferSink>(answer, call));
    });
    return reactor;
  }

  const std::shared_ptr<Calls> calls_;
  std::atomic<bool> serving_{true};
};

}  // namespace

std::unique_ptr<OpenInference> open_inference(std::shared_ptr<Calls> calls) {
  return std::make_unique<Service>(std::move(calls));
}

}  // namespace baton::rpc
