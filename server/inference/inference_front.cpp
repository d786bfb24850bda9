#include "server/inference/inference_front.h"

#include <boost/asio/post.hpp>

#include "server/api/prompt/tokenize.h"
#include "server/inference/call_body.h"
#include "server/inference/speaker.h"
#include "server/routes/request_meter.h"

namespace baton::server {

using api::Json;

namespace {

api::ApiError too_many() {
  return api::to_api(
      fail(ErrorCode::resource_exhausted, "Too many requests wait to be read; try again later."));
}

}  // namespace

struct InferenceFront::Call {
  Call(ServingMetrics& metrics, Instant arrived) : meter(metrics, arrived) {}

  std::unique_ptr<Speaker> speaker;
  std::optional<api::Prepared> prepared;
  std::unique_ptr<Generation> generation;
  RequestMeter meter;
  rpc::Usage usage;
  std::string tenant;
  bool ended = false;
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
    if (instance.role == Role::kvstore) continue;  // it keeps pages of any model
    info.fingerprint = instance.manifest.model_fingerprint;
    info.numeric_mode = instance.manifest.numeric_mode;
  }
  std::vector<rpc::ModelInfo> models = {info};
  for (const std::string& alias : facts.aliases) {
    info.name = alias;
    models.push_back(info);
  }
  return models;
}

void InferenceFront::generate(rpc::GenerateCall call, std::unique_ptr<rpc::GenerateSink> sink) {
  start(token_speaker(std::move(sink)), call,
        [call, &model = context_.model, limits = context_.limits.api] {
          const bool chat = std::holds_alternative<std::vector<rpc::ChatMessage>>(call.prompt);
          auto request = api::parse_request(chat ? api::Dialect::chat : api::Dialect::text,
                                            body_of(call), model.facts(), limits);
          // Tokens come as the model says them.
          if (request && chat) request->separate_reasoning = false;
          return request;
        });
}

void InferenceFront::chat(rpc::ChatCall call, std::unique_ptr<rpc::ChatSink> sink) {
  const uint64_t high = context_.draw();
  const api::AnswerName name{high, context_.draw(), context_.clock.unix_seconds()};
  start(chat_speaker(std::move(sink), context_.model, name), call.turn,
        [call, &model = context_.model, limits = context_.limits.api] {
          return api::parse_request(api::Dialect::chat, body_of(call), model.facts(), limits);
        });
}

void InferenceFront::start(std::unique_ptr<Speaker> speaker, const rpc::GenerateCall& asked,
                           Parse parse) {
  auto running = std::make_shared<Call>(context_.metrics, context_.clock.now());
  running->speaker = std::move(speaker);
  running->tenant = keys_.tenant_of(asked.api_key);
  calls_.emplace(running.get(), running);
  running->speaker->on_cancel([this, weak = std::weak_ptr<Call>(running)] {
    auto self = weak.lock();
    if (!self || self->ended) return;
    self->meter.left(context_.clock.now());
    end(self);
  });
  if (draining_) {
    return refuse(running, api::unavailable("draining", "This server is shutting down.", 5));
  }
  if (!asked.sampling.bad_words.empty() || asked.report.prompt_logprobs) {
    return refuse(running, api::unsupported_parameter(
                               asked.report.prompt_logprobs ? "prompt_logprobs" : "bad_words",
                               "this service does not carry it."));
  }
  // Any size may come: parsed and tokenized where it holds nobody up.
  auto result = std::make_shared<std::optional<api::ApiResult<api::Prepared>>>();
  const auto work = [result, parse = std::move(parse), seed_given = asked.given.seed,
                     seed = context_.draw(), &model = context_.model] {
    auto request = parse();
    *result = request ? api::prepare(*std::move(request), model)
                      : api::ApiResult<api::Prepared>(request.error());
    if (**result && !seed_given) (**result)->states[0].sampling.seed = seed;
  };
  const auto done = [this, weak = std::weak_ptr<Call>(running), result,
                     time_left = asked.time_left] {
    auto self = weak.lock();
    if (!self || self->ended) return;
    if (!**result) return refuse(self, (**result).error());
    self->prepared = *std::move(**result);
    submit(self, time_left);
  };
  if (!context_.work.run(work, done)) refuse(running, too_many());
}

void InferenceFront::submit(const std::shared_ptr<Call>& call, std::optional<Duration> time_left) {
  RequestState state = std::move(call->prepared->states.front());
  state.time_left = time_left;
  state.tenant = call->tenant;
  call->usage.prompt_tokens = static_cast<uint32_t>(state.prompt.size());
  call->speaker->begin(*call->prepared);
  call->meter.asked(state);
  GenerationEvents events;
  const auto weak = std::weak_ptr<Call>(call);
  events.on_tokens = [this, weak](std::span<const TokenEvent> tokens) {
    auto self = weak.lock();
    if (!self || self->ended) return;
    self->meter.tokens(0, tokens, context_.clock.now());
    self->usage.completion_tokens += static_cast<uint32_t>(tokens.size());
    self->speaker->say(tokens);
  };
  events.on_finished = [this, weak](const Timeline& timeline) {
    auto self = weak.lock();
    if (!self || self->ended) return;
    self->meter.finished(0, timeline, context_.clock.now());
    self->usage.cached_tokens = timeline.decode.cached_tokens;
    self->speaker->finish(self->usage);
    end(self);
  };
  events.on_failed = [this, weak](const api::ApiError& error) {
    if (auto self = weak.lock()) refuse(self, error);
  };
  call->generation = context_.engine.submit(std::move(state), std::move(events));
}

void InferenceFront::refuse(const std::shared_ptr<Call>& call, const api::ApiError& error) {
  if (call->ended) return;
  call->speaker->refuse(to_refusal(error));
  call->meter.failed(error, context_.clock.now());
  end(call);
}

void InferenceFront::end(const std::shared_ptr<Call>& call) {
  if (call->ended) return;
  call->ended = true;
  // We may be inside a callback of what the call owns; it goes in a turn of its own.
  calls_.erase(call.get());
  boost::asio::post(context_.executor, [call] { call->generation.reset(); });
}

// A question that has one answer, worked out where it holds nobody up.
template <class Answer>
void InferenceFront::ask(std::function<api::ApiResult<Answer>()> work, rpc::Reply<Answer> reply) {
  auto result = std::make_shared<std::optional<api::ApiResult<Answer>>>();
  const auto run = [result, work = std::move(work)] { *result = work(); };
  const auto done = [result, reply] {
    if (!**result) return reply(to_refusal((*result)->error()));
    reply(*std::move(**result));
  };
  if (!context_.work.run(run, done)) reply(to_refusal(too_many()));
}

void InferenceFront::tokenize(rpc::TokenizeCall call, rpc::Reply<rpc::TokenizeAnswer> reply) {
  ask<rpc::TokenizeAnswer>(
      [call = std::move(call), &model = context_.model,
       limits = context_.limits.api]() -> api::ApiResult<rpc::TokenizeAnswer> {
        BATON_TRY(ids, api::token_ids(body_of(call), model, limits));
        return rpc::TokenizeAnswer{std::move(ids), model.facts().max_model_len};
      },
      std::move(reply));
}

void InferenceFront::detokenize(rpc::DetokenizeCall call, rpc::Reply<std::string> reply) {
  ask<std::string>(
      [call = std::move(call), &model = context_.model, limits = context_.limits.api] {
        return api::text_of_ids(body_of(call), model, limits);
      },
      std::move(reply));
}

}  // namespace baton::server
