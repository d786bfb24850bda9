#include "server/api/prompt/prepare.h"

#include <algorithm>

#include "model/constraint/specification.h"
#include "server/api/dialects/anthropic_request.h"
#include "server/api/dialects/responses_request.h"
#include "server/api/prompt/forced_call.h"
#include "server/api/prompt/messages.h"
#include "server/api/prompt/tools.h"
#include "server/api/request/fields.h"

namespace baton::server::api {

namespace {

constexpr uint64_t kScoresMax = 1'000'000;  // of one prompt: what its answer has to hold

std::string prompt_param(const GenerateRequest& request) {
  if (request.dialect == Dialect::responses) return "input";
  return request.is_chat() ? "messages" : "prompt";
}

ApiError too_long(const GenerateRequest& request, const ModelFacts& model, size_t prompt,
                  uint32_t answer) {
  ApiError error;
  error.code = "context_length_exceeded";
  error.param = prompt_param(request);
  error.message = fmt::format(
      "This model's maximum context length is {} tokens. However, you requested {} tokens ({} in "
      "the {}, {} in the completion). Please reduce the length of the {} or completion.",
      model.max_model_len, prompt + answer, prompt, error.param, answer, error.param);
  return error;
}

ApiError no_tokens(const GenerateRequest& request) {
  return bad_value(prompt_param(request), "The prompt has no tokens.");
}

// A template that ran into its limits will again: that is no 429, to be tried later.
ApiError at_prompt(const GenerateRequest& request, Error error) {
  if (error.code == ErrorCode::resource_exhausted) error.code = ErrorCode::invalid_argument;
  ApiError out = to_api(error);
  if (out.param.empty() || out.param == "messages") out.param = prompt_param(request);
  return out;
}

// The form that the answer must have, as decode will read it; compiled here, so that what can't be
// kept is refused before anything is spent on it.
ApiResult<std::optional<ConstraintParams>> read_form(const GenerateRequest& request) {
  using Kind = ConstraintSpec::Kind;
  if (!request.constraint) return std::optional<ConstraintParams>();
  const ConstraintSpec& spec = *request.constraint;
  ConstraintParams form;
  switch (spec.kind) {
    case Kind::json_object:
      form.form = ConstraintParams::Form::json_object;
      break;
    case Kind::json_schema:
      form.form = ConstraintParams::Form::json_schema;
      form.text = spec.value.dump();
      break;
    case Kind::regex:
      form.form = ConstraintParams::Form::regex;
      form.text = spec.value.get<std::string>();
      break;
    case Kind::choice:
      form.form = ConstraintParams::Form::choice;
      form.text = spec.value.dump();
      break;
    case Kind::grammar:
      form.form = ConstraintParams::Form::grammar;
      form.text = spec.value.get<std::string>();
      break;
  }
  if (const auto compiled = constraint::compile(form.form, form.text); !compiled)
    return bad_value(spec.param, "{}.", compiled.error().message);
  return std::optional(std::move(form));
}

// Whether the prompt ends inside reasoning: its last thinking token opens it.
bool begins_reasoning(const std::vector<TokenId>& prompt, const SpecialTokens& special) {
  const auto last = std::find_if(prompt.rbegin(), prompt.rend(), [&](TokenId token) {
    return token == special.think_begin || token == special.think_end;
  });
  return last != prompt.rend() && *last == special.think_begin;
}

// Some models open their reasoning themselves, if they are asked to; one that isn't must not slip
// away from the form by it.
bool may_reason(const Prepared& prepared, const std::vector<TokenId>& prompt,
                const SpecialTokens& special) {
  const auto asks = [&](const char* name) {
    return prepared.request.template_kwargs.value(name, Json()) == true;
  };
  const bool closed = prompt.back() == special.think_end || prepared.request.go_on;
  return !closed && (asks("thinking") || asks("enable_thinking"));
}

// Reasoning, and a call of a tool in place of the answer, are not bound to the form.
void add_form(const Prepared& prepared, const SpecialTokens& special, RequestState& state) {
  state.constraint = prepared.form;
  if (!state.constraint) return;
  ConstraintParams& form = *state.constraint;
  state.stop.ignore_eos = false;                   // a form has an end
  if (!prepared.rules.call_begun.empty()) return;  // it is that call's, which comes first
  if (prepared.request.is_chat() && special.can_think()) {
    form.waits = begins_reasoning(state.prompt, special);
    form.reasoning_end = special.think_end;
    if (!form.waits && may_reason(prepared, state.prompt, special))
      form.reasoning_begin = special.think_begin;
  }
  if (prepared.rules.parses_calls && !must_call(prepared.request)) {
    form.call_begin = special.tool_calls_begin;
  }
}

// As a bad word may begin an answer, or stand behind a space.
ApiResult<void> add_bad_words(const GenerateRequest& request, const TextModel& model,
                              SamplingParams& sampling) {
  for (const std::string& word : request.bad_words) {
    for (const std::string& text : {word, ' ' + word}) {
      auto ids = model.encode(text, false);
      if (!ids) return to_api(ids.error());
      if (!ids->empty()) sampling.bad_words.push_back(*std::move(ids));
    }
  }
  return {};
}

ApiResult<void> add_state(Prepared& prepared, std::vector<TokenId> prompt,
                          const TextModel& text_model) {
  const ModelFacts& model = text_model.facts();
  const GenerateRequest& request = prepared.request;
  if (prompt.empty()) return no_tokens(request);
  const uint32_t wanted = request.max_tokens.value_or(1);
  size_t kept = request.truncate_prompt.value_or(model.max_model_len);
  if (request.truncate_to_room && wanted < model.max_model_len) kept = model.max_model_len - wanted;
  if ((request.truncate_prompt || request.truncate_to_room) && prompt.size() > kept) {
    prompt.erase(prompt.begin(), prompt.end() - static_cast<ptrdiff_t>(kept));
  }
  if (prompt.size() + wanted > model.max_model_len) {
    return too_long(request, model, prompt.size(), wanted);
  }
  RequestState state;
  state.attempt = Attempt(1);
  state.model = model.name;
  state.choices = request.choices;
  state.sampling = request.sampling;
  state.sampling.seed = request.seed.value_or(0);
  BATON_CHECKED(add_bad_words(request, text_model, state.sampling));
  state.stop = request.stop;
  state.stop.max_tokens =
      request.max_tokens.value_or(model.max_model_len - static_cast<uint32_t>(prompt.size()));
  if (state.stop.min_tokens > state.stop.max_tokens) {
    return bad_value("min_tokens", "\"min_tokens\" ({}) is more than the answer may have ({}).",
                     state.stop.min_tokens, state.stop.max_tokens);
  }
  if (prepared.rules.parses_calls && one_call(request)) {
    state.stop.tokens.push_back(*model.special.tool_call_end);
  }
  state.report = request.report;
  if (state.stop.max_tokens == 0 && !state.report.prompt_logprobs) state.report.prompt_logprobs = 0;
  const uint64_t alternatives = uint64_t{state.report.prompt_logprobs.value_or(0)} + 1;
  if (state.report.prompt_logprobs && prompt.size() * alternatives > kScoresMax) {
    return bad_value("prompt_logprobs",
                     "The scores of {} prompt tokens with {} alternatives each are more than {}.",
                     prompt.size(), alternatives - 1, kScoresMax);
  }
  state.parts = parts_of(prepared.rules, model.special, request.reasoning_max);
  state.cache_salt = request.cache_salt;
  state.priority = request.priority;
  state.prompt = std::move(prompt);
  add_form(prepared, model.special, state);
  prepared.states.push_back(std::move(state));
  return {};
}

// A call that must come keeps to a form. It is begun in the prompt as far as it is known, unless
// reasoning may come first.
ApiResult<void> force_call(Prepared& prepared, const TextModel& model,
                           std::vector<TokenId>& prompt) {
  const ModelFacts& facts = model.facts();
  if (!must_call(prepared.request)) return {};
  if (!prepared.rules.parses_calls) {
    return unsupported_parameter("tool_choice", "this model has no tokens for calls of tools.");
  }
  BATON_TRY(call, forced_call(prepared.request, facts));
  prepared.form.emplace();
  prepared.form->form = ConstraintParams::Form::grammar;
  const SpecialTokens& special = facts.special;
  const bool begun = special.can_think() && begins_reasoning(prompt, special);
  const bool unwanted = prepared.request.template_kwargs.value("thinking", Json()) == false;
  if (begun && unwanted) {  // a template that opens reasoning whatever it is told
    prompt.push_back(*special.think_end);
    prepared.rules.begins_reasoning = false;
  } else if (begun || (special.can_think() && may_reason(prepared, prompt, special))) {
    prepared.form->text = call.whole;
    return {};
  }
  prepared.form->text = call.behind_head;
  auto ids = model.encode(call.head);
  if (!ids) return to_api(ids.error());
  prompt.insert(prompt.end(), ids->begin(), ids->end());
  prepared.rules.call_begun = *std::move(ids);
  return {};
}

ApiResult<void> prepare_conversation(Prepared& prepared, const TextModel& model) {
  const GenerateRequest& request = prepared.request;
  const SpecialTokens& special = model.facts().special;
  auto ids = chat_prompt(request, model);
  if (!ids) return ids.error();
  if (ids->empty()) return no_tokens(request);
  OutputRules& rules = prepared.rules;
  rules.splits_reasoning = special.can_think() && request.separate_reasoning;
  rules.begins_reasoning = rules.splits_reasoning && begins_reasoning(*ids, special);
  rules.parses_calls = special.can_call() && request.tools_active();
  if (rules.parses_calls) rules.tools = tool_names(request.tools);
  BATON_CHECKED(force_call(prepared, model, *ids));
  if (request.echo) prepared.echoes.push_back(text_of(request.messages.back()["content"]));
  return add_state(prepared, *std::move(ids), model);
}

Result<std::vector<TokenId>> encode_prompt(const GenerateRequest& request, const std::string& text,
                                           const TextModel& model) {
  if (!request.suffix) return model.encode(text, request.add_special_tokens);
  const SpecialTokens& special = model.facts().special;
  BATON_TRY(ids, model.encode("", request.add_special_tokens));
  BATON_TRY(before, model.encode(text, false));
  BATON_TRY(after, model.encode(*request.suffix, false));
  ids.push_back(*special.fim_begin);
  ids.insert(ids.end(), before.begin(), before.end());
  ids.push_back(*special.fim_hole);
  ids.insert(ids.end(), after.begin(), after.end());
  ids.push_back(*special.fim_end);
  return std::move(ids);
}

}  // namespace

ApiResult<std::vector<TokenId>> chat_prompt(const GenerateRequest& request,
                                            const TextModel& model) {
  if (request.prompt_ids) return *request.prompt_ids;
  static const Json kNone;
  const Json& tools = request.tools_active() ? request.tools : kNone;
  auto ids = model.encode_chat({request.messages, tools, request.template_kwargs, request.go_on});
  if (!ids) return at_prompt(request, ids.error());
  return *std::move(ids);
}

ApiResult<Prepared> prepare(GenerateRequest request, const TextModel& model) {
  Prepared prepared;
  prepared.request = std::move(request);
  const GenerateRequest& asked = prepared.request;
  BATON_TRY(form, read_form(asked));
  prepared.form = std::move(form);
  if (asked.is_chat()) {
    BATON_CHECKED(prepare_conversation(prepared, model));
    return prepared;
  }
  for (const auto& form : asked.prompts) {
    std::vector<TokenId> ids;
    if (const auto* text = std::get_if<std::string>(&form)) {
      auto encoded = encode_prompt(asked, *text, model);
      if (!encoded) return at_prompt(asked, encoded.error());
      ids = *std::move(encoded);
      if (asked.echo) prepared.echoes.push_back(*text);
    } else {
      ids = std::get<std::vector<TokenId>>(form);
      if (asked.echo) {
        prepared.echoes.push_back(model.decode(ids, asked.report.skip_special_tokens));
      }
    }
    BATON_CHECKED(add_state(prepared, std::move(ids), model));
  }
  return prepared;
}

ApiResult<GenerateRequest> parse_request(Dialect dialect, const Json& body, const ModelFacts& model,
                                         const ApiLimits& limits, const TenantItems* memory) {
  switch (dialect) {
    case Dialect::chat:
      return parse_chat(body, model, limits);
    case Dialect::text:
      return parse_completion(body, model, limits);
    case Dialect::responses:
      return parse_responses(body, model, limits, memory);
    case Dialect::messages:
      return parse_anthropic(body, model, limits);
  }
  return bad_value("", "The dialect is unknown.");
}

ApiResult<Prepared> prepare_body(Dialect dialect, std::string_view body, const TextModel& model,
                                 const ApiLimits& limits, const TenantItems* memory) {
  BATON_TRY(json, parse_body(body, limits));
  BATON_TRY(request, parse_request(dialect, json, model.facts(), limits, memory));
  return prepare(std::move(request), model);
}

}  // namespace baton::server::api
