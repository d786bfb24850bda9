#include "server/inference_front.h"

#include <boost/asio/post.hpp>

namespace baton::server {

using api::Json;

namespace {

Json sampling_json(const SamplingParams& sampling) {
  Json bias = Json::object();
  for (const auto& [id, value] : sampling.logit_bias) bias[std::to_string(id)] = value;
  Json body = {{"temperature", sampling.temperature},
               {"top_p", sampling.top_p},
               {"top_k", sampling.top_k},
               {"min_p", sampling.min_p},
               {"presence_penalty", sampling.presence_penalty},
               {"frequency_penalty", sampling.frequency_penalty},
               {"repetition_penalty", sampling.repetition_penalty},
               {"logit_bias", std::move(bias)}};
  if (!sampling.allowed.empty()) body["allowed_token_ids"] = sampling.allowed;
  return body;
}

// What an API error is in the terms of gRPC's status.
Error to_error(const api::ApiError& error) {
  ErrorCode code = ErrorCode::invalid_argument;
  if (error.status == 404) code = ErrorCode::not_found;
  if (error.status == 429) code = ErrorCode::resource_exhausted;
  if (error.status == 500) code = ErrorCode::internal;
  if (error.status == 503) code = ErrorCode::unavailable;
  if (error.status == 504) code = ErrorCode::deadline_exceeded;
  return Error{code, error.message, error.param};
}

}  // namespace

Json body_of(const rpc::GenerateCall& call) {
  Json body = sampling_json(call.sampling);
  body["model"] = call.model;
  body["n"] = call.choices;
  body["priority"] = call.priority;
  if (call.seed_given) body["seed"] = static_cast<int64_t>(call.sampling.seed);
  if (call.max_tokens_given) body["max_tokens"] = call.stop.max_tokens;
  body["min_tokens"] = call.stop.min_tokens;
  body["ignore_eos"] = call.stop.ignore_eos;
  body["include_stop_str_in_output"] = call.stop.include_string;
  body["stop"] = call.stop.strings;
  body["stop_token_ids"] = call.stop.tokens;
  body["skip_special_tokens"] = call.report.skip_special_tokens;
  body["return_logits_digest"] = call.report.logits_digest;
  if (const auto* messages = std::get_if<std::vector<rpc::ChatMessage>>(&call.prompt)) {
    body["messages"] = Json::array();
    for (const auto& message : *messages) {
      body["messages"].push_back({{"role", message.role}, {"content", message.content}});
    }
    body["logprobs"] = call.report.logprobs;
    body["top_logprobs"] = call.report.top_logprobs;
    return body;
  }
  if (const auto* text = std::get_if<std::string>(&call.prompt)) body["prompt"] = *text;
  if (const auto* ids = std::get_if<std::vector<TokenId>>(&call.prompt)) body["prompt"] = *ids;
  if (call.report.logprobs) body["logprobs"] = call.report.top_logprobs;
  return body;
}

struct InferenceFront::Call {
  std::unique_ptr<rpc::GenerateSink> sink;
  std::unique_ptr<Generation> generation;
  Instant arrived;
  rpc::Usage usage;
  bool submitted = false;
  bool ended = false;
  std::string reason = "stop";
};

InferenceFront::InferenceFront(GenerateContext context, const ApiKeys& keys)
    : context_(std::move(context)), keys_(keys) {}
InferenceFront::~InferenceFront() = default;

bool InferenceFront::allows(const std::string& api_key) {
  const bool allowed = keys_.allows(api_key);
  if (!allowed) context_.metrics.auth_failed();
  return allowed;
}

std::vector<rpc::ModelInfo> InferenceFront::models() {
  const api::ModelFacts& facts = context_.model.facts();
  rpc::ModelInfo info{facts.name, {}, {}, facts.max_model_len};
  for (const auto& instance : context_.engine.cluster().instances) {
    info.fingerprint = instance.manifest.model_fingerprint;
    info.numeric_mode = instance.manifest.numeric_mode;
  }
  return {info};
}

void InferenceFront::generate(rpc::GenerateCall call, std::unique_ptr<rpc::GenerateSink> sink) {
  auto running = std::make_shared<Call>();
  running->sink = std::move(sink);
  running->arrived = context_.clock.now();
  calls_.emplace(running.get(), running);
  running->sink->on_cancel([this, weak = std::weak_ptr<Call>(running)] {
    if (auto self = weak.lock()) end(self, "abort");
  });
  if (draining_) {
    return refuse(running, api::unavailable("draining", "This server is shutting down.", 5));
  }
  if (!call.sampling.bad_words.empty() || call.report.prompt_logprobs) {
    return refuse(running, api::unsupported_parameter(
                               call.report.prompt_logprobs ? "prompt_logprobs" : "bad_words",
                               "this service does not carry it."));
  }
  // Any size may come: parsed and tokenized where it holds nobody up.
  auto result = std::make_shared<std::optional<api::ApiResult<api::Prepared>>>();
  const auto time_left = call.time_left;
  const auto work = [result, call = std::move(call), seed = context_.draw(),
                     &model = context_.model, limits = context_.limits.api] {
    const Json body = body_of(call);
    const bool chat = std::holds_alternative<std::vector<rpc::ChatMessage>>(call.prompt);
    auto request = api::parse_request(chat ? api::Dialect::chat : api::Dialect::text, body,
                                      model.facts(), limits);
    if (request && chat) request->separate_reasoning = false;  // tokens come as the model says them
    *result = request ? api::prepare(*std::move(request), model)
                      : api::ApiResult<api::Prepared>(request.error());
    if (*result && **result && !call.seed_given) (**result)->states[0].sampling.seed = seed;
  };
  const auto done = [this, weak = std::weak_ptr<Call>(running), result, time_left] {
    auto self = weak.lock();
    if (!self || self->ended) return;
    if (!**result) return refuse(self, (**result).error());
    submit(self, std::move((**result)->states.front()), time_left);
  };
  if (!context_.work.run(work, done)) {
    refuse(running, api::to_api(fail(ErrorCode::resource_exhausted,
                                     "Too many requests wait to be read; try again later.")));
  }
}

void InferenceFront::submit(const std::shared_ptr<Call>& call, RequestState state,
                            std::optional<Duration> time_left) {
  state.time_left = time_left;
  call->usage.prompt_tokens = static_cast<uint32_t>(state.prompt.size());
  call->submitted = true;
  context_.metrics.begun(state.prompt.size(), state.choices, state.stop.max_tokens);
  GenerationEvents events;
  const auto weak = std::weak_ptr<Call>(call);
  events.on_tokens = [this, weak](std::span<const TokenEvent> tokens) {
    auto self = weak.lock();
    if (!self || self->ended) return;
    if (self->usage.completion_tokens == 0) {
      context_.metrics.first_token(context_.clock.now() - self->arrived);
    }
    self->usage.completion_tokens += static_cast<uint32_t>(tokens.size());
    for (const auto& token : tokens) {
      if (token.finish == FinishReason::length) self->reason = "length";
      self->sink->send(token);
    }
  };
  events.on_finished = [this, weak](const Timeline& timeline) {
    auto self = weak.lock();
    if (!self || self->ended) return;
    context_.metrics.finished(timeline, context_.clock.now() - self->arrived);
    self->usage.cached_tokens = timeline.decode.cached_tokens;
    self->sink->finish(self->usage);
    end(self, self->reason);
  };
  events.on_failed = [this, weak](const api::ApiError& error) {
    if (auto self = weak.lock()) refuse(self, error);
  };
  call->generation = context_.engine.submit(std::move(state), std::move(events));
}

void InferenceFront::refuse(const std::shared_ptr<Call>& call, const api::ApiError& error) {
  if (call->ended) return;
  if (error.retry_after_s > 0) {
    call->sink->refuse(to_error(error), std::chrono::seconds(error.retry_after_s));
  } else {
    call->sink->finish(to_error(error));
  }
  end(call, "error");
}

void InferenceFront::end(const std::shared_ptr<Call>& call, const std::string& reason) {
  if (call->ended) return;
  call->ended = true;
  if (call->submitted) {
    context_.metrics.ended(reason, context_.clock.now() - call->arrived,
                           call->usage.completion_tokens);
  }
  // We may be inside a callback of what the call owns; it goes in a turn of its own.
  calls_.erase(call.get());
  boost::asio::post(context_.executor, [call] { call->generation.reset(); });
}

}  // namespace baton::server
