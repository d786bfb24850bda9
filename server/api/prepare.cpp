#include "server/api/prepare.h"

#include <algorithm>

#include "server/api/fields.h"
#include "server/api/json_text.h"

namespace baton::server::api {

using Json = nlohmann::json;

namespace {

ApiError too_long(const GenerateRequest& request, const ModelFacts& model, size_t prompt,
                  uint32_t answer) {
  ApiError error;
  error.code = "context_length_exceeded";
  error.param = request.chat ? "messages" : "prompt";
  error.message = fmt::format(
      "This model's maximum context length is {} tokens. However, you requested {} tokens ({} in "
      "the {}, {} in the completion). Please reduce the length of the {} or completion.",
      model.max_model_len, prompt + answer, prompt, error.param, answer, error.param);
  return error;
}

// A template that ran into its limits will again: that is no 429, to be tried later.
ApiError at_prompt(const GenerateRequest& request, Error error) {
  if (error.code == ErrorCode::resource_exhausted) error.code = ErrorCode::invalid_argument;
  ApiError out = to_api(error);
  if (out.param.empty()) out.param = request.chat ? "messages" : "prompt";
  return out;
}

ApiResult<void> add_state(Prepared& prepared, std::vector<TokenId> prompt,
                          const ModelFacts& model) {
  const GenerateRequest& request = prepared.request;
  if (prompt.empty()) {
    return bad_value(request.chat ? "messages" : "prompt", "The prompt has no tokens.");
  }
  const uint32_t wanted = request.max_tokens.value_or(1);
  if (prompt.size() + wanted > model.max_model_len) {
    return too_long(request, model, prompt.size(), wanted);
  }
  RequestState state;
  state.attempt = Attempt(1);
  state.model = model.name;
  state.choices = request.choices;
  state.sampling = request.sampling;
  state.sampling.seed = request.seed.value_or(0);
  state.stop = request.stop;
  state.stop.max_tokens =
      request.max_tokens.value_or(model.max_model_len - static_cast<uint32_t>(prompt.size()));
  if (state.stop.min_tokens > state.stop.max_tokens) {
    return bad_value("min_tokens", "\"min_tokens\" ({}) is more than the answer may have ({}).",
                     state.stop.min_tokens, state.stop.max_tokens);
  }
  state.report = request.report;
  state.priority = request.priority;
  state.prompt = std::move(prompt);
  prepared.states.push_back(std::move(state));
  return {};
}

void append_token_strings(std::string& out, const std::vector<TokenId>& ids,
                          const TextModel& model) {
  out += ",\"token_strs\":[";
  for (size_t i = 0; i < ids.size(); ++i) {
    if (i > 0) out += ',';
    append_json_string(out, model.token_bytes(ids[i]));
  }
  out += ']';
}

}  // namespace

ApiResult<Prepared> prepare(GenerateRequest request, const TextModel& model) {
  Prepared prepared;
  prepared.request = std::move(request);
  const GenerateRequest& asked = prepared.request;
  if (asked.chat) {
    auto prompt = model.encode_chat(asked.messages, asked.template_kwargs);
    if (!prompt) return at_prompt(asked, prompt.error());
    if (auto added = add_state(prepared, *std::move(prompt), model.facts()); !added) {
      return added.error();
    }
    return prepared;
  }
  for (const auto& form : asked.prompts) {
    std::vector<TokenId> ids;
    if (const auto* text = std::get_if<std::string>(&form)) {
      auto encoded = model.encode(*text, asked.add_special_tokens);
      if (!encoded) return at_prompt(asked, encoded.error());
      ids = *std::move(encoded);
      if (asked.echo) prepared.echoes.push_back(*text);
    } else {
      ids = std::get<std::vector<TokenId>>(form);
      if (asked.echo) {
        prepared.echoes.push_back(model.decode(ids, asked.report.skip_special_tokens));
      }
    }
    if (auto added = add_state(prepared, std::move(ids), model.facts()); !added) {
      return added.error();
    }
  }
  return prepared;
}

ApiResult<Prepared> prepare_chat(std::string_view body, const TextModel& model,
                                 const ApiLimits& limits) {
  BATON_TRY(json, parse_body(body, limits));
  BATON_TRY(request, parse_chat(json, model.facts(), limits));
  return prepare(std::move(request), model);
}

ApiResult<Prepared> prepare_completion(std::string_view body, const TextModel& model,
                                       const ApiLimits& limits) {
  BATON_TRY(json, parse_body(body, limits));
  BATON_TRY(request, parse_completion(json, model.facts(), limits));
  return prepare(std::move(request), model);
}

ApiResult<std::string> tokenize(std::string_view body, const TextModel& model,
                                const ApiLimits& limits) {
  BATON_TRY(json, parse_body(body, limits));
  Fields fields(json);
  std::string asked;
  fields.text("model", asked, 1024);
  if (auto served = check_model(asked, model.facts()); !served) fields.fail(served.error());
  bool add_special = true;
  fields.boolean("add_special_tokens", add_special);
  bool strings = false;
  fields.boolean("return_token_strs", strings);
  bool generation_prompt = true;
  fields.boolean("add_generation_prompt", generation_prompt);
  const Json* messages = fields.get("messages");
  const Json* text = fields.get("prompt") ? fields.get("prompt") : fields.get("content");
  if (!messages && (!text || !text->is_string())) {
    fields.fail(bad_value("prompt", "\"prompt\" must be a string, or there must be \"messages\"."));
  }
  if (messages) {
    if (auto checked = check_messages(*messages, limits); !checked) fields.fail(checked.error());
  }
  if (auto result = fields.result(); !result) return result.error();
  auto ids = messages ? model.encode_chat(*messages, {{"add_generation_prompt", generation_prompt}})
                      : model.encode(text->get_ref<const std::string&>(), add_special);
  if (!ids) {
    ApiError error = to_api(ids.error());
    error.param = messages ? "messages" : "prompt";
    return error;
  }
  std::string out = fmt::format("{{\"count\":{},\"max_model_len\":{},\"tokens\":[{}]", ids->size(),
                                model.facts().max_model_len, fmt::join(*ids, ","));
  if (strings) append_token_strings(out, *ids, model);
  out += '}';
  return out;
}

ApiResult<std::string> detokenize(std::string_view body, const TextModel& model,
                                  const ApiLimits& limits) {
  BATON_TRY(json, parse_body(body, limits));
  Fields fields(json);
  std::string asked;
  fields.text("model", asked, 1024);
  if (auto served = check_model(asked, model.facts()); !served) fields.fail(served.error());
  std::vector<TokenId> ids;
  const Json* tokens = fields.get("tokens");
  const int64_t highest = int64_t{model.facts().vocab_size} - 1;
  bool good = tokens && tokens->is_array();
  if (good) {
    ids.reserve(tokens->size());
    for (const auto& item : *tokens) {
      const auto id = as_integer(item, 0, highest);
      good = good && id.has_value();
      ids.push_back(static_cast<TokenId>(id.value_or(0)));
    }
  }
  if (!good) {
    fields.fail(
        bad_value("tokens", "\"tokens\" must be a list of token ids from 0 to {}.", highest));
  }
  if (auto result = fields.result(); !result) return result.error();
  std::string out = "{\"prompt\":";
  append_json_string(out, model.decode(ids, false));
  out += '}';
  return out;
}

}  // namespace baton::server::api
