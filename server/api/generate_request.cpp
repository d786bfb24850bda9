#include "server/api/generate_request.h"

#include <algorithm>
#include <charconv>

#include "model/checkpoint/strict_json.h"
#include "server/api/fields.h"

namespace baton::server::api {

using Json = nlohmann::json;

namespace {

constexpr size_t kNameBytes = 1024;

// What belongs to the full API and isn't there yet is refused by name: ignoring it would answer a
// question that was not asked.
void refuse_unsupported(Fields& fields, bool chat) {
  for (const char* name : {"audio",
                           "prediction",
                           "web_search_options",
                           "functions",
                           "function_call",
                           "moderation",
                           "chat_template",
                           "documents",
                           "length_penalty",
                           "structured_outputs",
                           "guided_json",
                           "guided_regex",
                           "guided_choice",
                           "guided_grammar",
                           "guided_decoding_backend",
                           "regex",
                           "ebnf",
                           "grammar",
                           "json_schema",
                           "stop_regex",
                           "allowed_token_ids",
                           "bad_words",
                           "truncate_prompt_tokens",
                           "prompt_logprobs",
                           "thinking_token_budget",
                           "reasoning_effort",
                           "reasoning",
                           "input_ids"}) {
    fields.refuse(name, "this server does not have it.");
  }
  fields.refuse(chat ? "prompt" : "messages",
                chat ? "a chat has \"messages\"." : "a text completion has \"prompt\".");
  for (const char* name : {"use_beam_search", "continue_final_message", "return_prompt_logprobs"}) {
    bool on = false;
    fields.boolean(name, on);
    if (on) fields.fail(unsupported_parameter(name, "this server does not have it."));
  }
  if (const Json* tools = fields.get("tools")) {
    fields.fail(tools->is_array() && tools->empty()
                    ? bad_value("tools", "\"tools\" must not be empty.")
                    : unsupported_parameter("tools", "this server has no tool calls."));
  }
  if (const Json* choice = fields.get("tool_choice")) {
    if (*choice != "none" && *choice != "auto") {
      fields.fail(unsupported_parameter("tool_choice", "this server has no tool calls."));
    }
  }
  if (const Json* format = fields.get("response_format")) {
    const bool text = format->is_object() && format->value("type", Json()) == "text";
    if (!text) {
      fields.fail(unsupported_parameter("response_format", "only {\"type\": \"text\"} is."));
    }
  }
  if (const Json* modalities = fields.get("modalities")) {
    if (*modalities != Json::array({"text"})) {
      fields.fail(unsupported_parameter("modalities", "only [\"text\"] is."));
    }
  }
  if (const Json* thinking = fields.get("thinking")) {
    const bool off = thinking->is_object() && thinking->value("type", Json()) == "disabled";
    if (!off) fields.fail(unsupported_parameter("thinking", "only {\"type\": \"disabled\"} is."));
  }
}

void read_stop(Fields& fields, const ModelFacts& model, const ApiLimits& limits, StopParams& stop) {
  if (const Json* value = fields.get("stop")) {
    const Json list = value->is_array() ? *value : Json::array({*value});
    if (list.size() > limits.stop_strings_max) {
      return fields.fail(
          bad_value("stop", "\"stop\" has more than {} strings.", limits.stop_strings_max));
    }
    for (const auto& item : list) {
      if (!item.is_string() || item.get_ref<const std::string&>().empty()) {
        return fields.fail(
            bad_value("stop", "\"stop\" must be a string or a list of strings, none empty."));
      }
      if (item.get_ref<const std::string&>().size() > limits.stop_string_bytes_max) {
        return fields.fail(bad_value("stop", "A string of \"stop\" is over {} bytes.",
                                     limits.stop_string_bytes_max));
      }
      stop.strings.push_back(item.get<std::string>());
    }
  }
  if (const Json* value = fields.get("stop_token_ids")) {
    if (!value->is_array() || value->size() > limits.stop_tokens_max) {
      return fields.fail(bad_value("stop_token_ids",
                                   "\"stop_token_ids\" must be a list of at most {} token ids.",
                                   limits.stop_tokens_max));
    }
    for (const auto& item : *value) {
      const auto id = as_integer(item, 0, int64_t{model.vocab_size} - 1);
      if (!id) {
        return fields.fail(bad_value("stop_token_ids",
                                     "\"stop_token_ids\" must hold token ids from 0 to {}.",
                                     model.vocab_size - 1));
      }
      stop.tokens.push_back(static_cast<TokenId>(*id));
    }
  }
  fields.boolean("ignore_eos", stop.ignore_eos);
  fields.boolean("include_stop_str_in_output", stop.include_string);
  fields.integer("min_tokens", stop.min_tokens, 0, model.max_model_len);
}

void read_logit_bias(Fields& fields, const ModelFacts& model, const ApiLimits& limits,
                     SamplingParams& sampling) {
  const Json* value = fields.get("logit_bias");
  if (!value) return;
  if (!value->is_object() || value->size() > limits.logit_bias_max) {
    return fields.fail(bad_value("logit_bias",
                                 "\"logit_bias\" must be an object of at most {} token ids.",
                                 limits.logit_bias_max));
  }
  for (const auto& [key, bias] : value->items()) {
    TokenId id = 0;
    const auto parsed = std::from_chars(key.data(), key.data() + key.size(), id);
    if (parsed.ec != std::errc() || parsed.ptr != key.data() + key.size() ||
        id >= model.vocab_size) {
      return fields.fail(bad_value("logit_bias",
                                   "The keys of \"logit_bias\" must be token ids from 0 to {}.",
                                   model.vocab_size - 1));
    }
    if (!bias.is_number() || !(std::abs(bias.get<double>()) <= 100)) {
      return fields.fail(bad_value(
          "logit_bias", "The values of \"logit_bias\" must be numbers from -100 to 100."));
    }
    sampling.logit_bias.emplace_back(id, bias.get<float>());
  }
  auto& biases = sampling.logit_bias;
  std::sort(biases.begin(), biases.end());
  const auto same = [](const auto& a, const auto& b) { return a.first == b.first; };
  if (std::adjacent_find(biases.begin(), biases.end(), same) != biases.end()) {
    fields.fail(bad_value("logit_bias", "\"logit_bias\" names a token id twice."));
  }
}

void read_sampling(Fields& fields, const ModelFacts& model, const ApiLimits& limits,
                   GenerateRequest& request) {
  SamplingParams& sampling = request.sampling;
  sampling = model.sampling;
  fields.number("temperature", sampling.temperature, {0, 2});
  fields.number("top_p", sampling.top_p, {0, 1, true});
  fields.number("min_p", sampling.min_p, {0, 1});
  fields.number("presence_penalty", sampling.presence_penalty, {-2, 2});
  fields.number("frequency_penalty", sampling.frequency_penalty, {-2, 2});
  fields.number("repetition_penalty", sampling.repetition_penalty, {0, 10, true});
  int64_t top_k = sampling.top_k;
  fields.integer("top_k", top_k, -1, model.vocab_size);
  sampling.top_k = top_k < 0 ? 0 : static_cast<uint32_t>(top_k);
  std::optional<int64_t> seed;
  fields.integer("seed", seed, std::numeric_limits<int64_t>::min(),
                 std::numeric_limits<int64_t>::max());
  if (seed) request.seed = static_cast<uint64_t>(*seed);
  read_logit_bias(fields, model, limits, sampling);
  fields.integer("n", request.choices, 1, limits.choices_max);
  uint32_t best_of = request.choices;
  fields.integer("best_of", best_of, 1, limits.choices_max);
  if (best_of != request.choices) {
    fields.fail(unsupported_parameter("best_of", "it must be equal to \"n\"."));
  }
  fields.integer("max_tokens", request.max_tokens, 1, model.max_model_len);
  fields.integer("max_completion_tokens", request.max_tokens, 1, model.max_model_len);
  int64_t priority = 0;
  fields.integer("priority", priority, std::numeric_limits<int32_t>::min(),
                 std::numeric_limits<int32_t>::max());
  request.priority = static_cast<int32_t>(priority);
}

void read_report(Fields& fields, GenerateRequest& request) {
  fields.boolean("skip_special_tokens", request.report.skip_special_tokens);
  fields.boolean("return_logits_digest", request.report.logits_digest);
  fields.boolean("return_token_ids", request.return_token_ids);
  fields.boolean("return_tokens_as_token_ids", request.tokens_as_ids);
  fields.boolean("explain", request.explain);
  fields.boolean("echo", request.echo);
  fields.boolean("stream", request.stream);
  const Json* options = fields.get("stream_options");
  if (!options) return;
  if (!options->is_object()) {
    return fields.fail(bad_value("stream_options", "\"stream_options\" must be an object."));
  }
  if (!request.stream) {
    return fields.fail(
        bad_value("stream_options", "\"stream_options\" is only allowed with \"stream\": true."));
  }
  Fields inner(*options, "stream_options.");
  inner.boolean("include_usage", request.include_usage);
  bool continuous = false;
  inner.boolean("continuous_usage_stats", continuous);
  if (continuous) {
    inner.fail(unsupported_parameter("stream_options.continuous_usage_stats",
                                     "usage comes once, at the end."));
  }
  if (auto result = inner.result(); !result) fields.fail(result.error());
}

void read_shared(Fields& fields, const ModelFacts& model, const ApiLimits& limits,
                 GenerateRequest& request) {
  fields.text("model", request.model, kNameBytes);
  if (auto served = check_model(request.model, model); !served) fields.fail(served.error());
  refuse_unsupported(fields, request.chat);
  read_sampling(fields, model, limits, request);
  read_stop(fields, model, limits, request.stop);
  read_report(fields, request);
}

// Only what a template may be told: two names of the thinking switch, and whether to open an
// answer.
void read_template_kwargs(Fields& fields, GenerateRequest& request) {
  Json kwargs = Json::object();
  bool generation_prompt = true;
  fields.boolean("add_generation_prompt", generation_prompt);
  kwargs["add_generation_prompt"] = generation_prompt;
  const Json* given = fields.get("chat_template_kwargs");
  if (given && !given->is_object()) {
    return fields.fail(
        bad_value("chat_template_kwargs", "\"chat_template_kwargs\" must be an object."));
  }
  if (given) {
    for (const auto& [name, value] : given->items()) {
      if (name != "thinking" && name != "enable_thinking") {
        return fields.fail(unsupported_parameter("chat_template_kwargs." + name,
                                                 "only \"thinking\" and \"enable_thinking\" are."));
      }
      if (!value.is_boolean()) {
        return fields.fail(
            bad_value("chat_template_kwargs." + name, "\"{}\" must be true or false.", name));
      }
      kwargs["thinking"] = value;
      kwargs["enable_thinking"] = value;
    }
  }
  request.template_kwargs = std::move(kwargs);
}

void read_chat_logprobs(Fields& fields, const ApiLimits& limits, ReportParams& report) {
  fields.boolean("logprobs", report.logprobs);
  fields.integer("top_logprobs", report.top_logprobs, 0, limits.top_logprobs_max);
  if (report.top_logprobs > 0 && !report.logprobs) {
    fields.fail(bad_value("top_logprobs", "\"top_logprobs\" needs \"logprobs\": true."));
  }
}

std::optional<std::vector<TokenId>> token_ids(const Json& list, uint32_t vocab_size) {
  std::vector<TokenId> ids;
  ids.reserve(list.size());
  for (const auto& item : list) {
    const auto id = as_integer(item, 0, int64_t{vocab_size} - 1);
    if (!id) return std::nullopt;
    ids.push_back(static_cast<TokenId>(*id));
  }
  return ids;
}

// All four forms: a string, token ids, a list of strings, a list of lists of token ids.
void read_prompts(Fields& fields, const ModelFacts& model, const ApiLimits& limits,
                  GenerateRequest& request) {
  const Json* prompt = fields.get("prompt");
  if (!prompt) return fields.fail(bad_value("prompt", "\"prompt\" is missing."));
  const auto bad_form = [&] {
    fields.fail(bad_value("prompt",
                          "\"prompt\" must be a string, a list of strings, a list of token ids "
                          "from 0 to {}, or a list of such lists; not empty.",
                          model.vocab_size - 1));
  };
  if (prompt->is_string()) {
    request.prompts.emplace_back(prompt->get<std::string>());
    return;
  }
  if (!prompt->is_array() || prompt->empty()) return bad_form();
  if (prompt->front().is_number()) {
    auto ids = token_ids(*prompt, model.vocab_size);
    if (!ids) return bad_form();
    request.prompts.emplace_back(std::move(*ids));
    return;
  }
  if (prompt->size() > limits.prompts_max) {
    return fields.fail(
        bad_value("prompt", "\"prompt\" has more than {} prompts.", limits.prompts_max));
  }
  for (const auto& item : *prompt) {
    if (item.is_string() && prompt->front().is_string()) {
      request.prompts.emplace_back(item.get<std::string>());
    } else if (item.is_array() && prompt->front().is_array() && !item.empty()) {
      auto ids = token_ids(item, model.vocab_size);
      if (!ids) return bad_form();
      request.prompts.emplace_back(std::move(*ids));
    } else {
      return bad_form();
    }
  }
}

void read_completion_logprobs(Fields& fields, const ApiLimits& limits, GenerateRequest& request) {
  std::optional<uint32_t> logprobs;
  fields.integer("logprobs", logprobs, 0, limits.top_logprobs_max);
  fields.refuse("top_logprobs", "a text completion has \"logprobs\": N.");
  if (!logprobs) return;
  request.report.logprobs = true;
  request.report.top_logprobs = *logprobs;
  if (request.echo) {
    fields.fail(unsupported_parameter(
        "echo", "together with \"logprobs\" it scores the prompt, which this server can't yet."));
  }
}

}  // namespace

ApiResult<Json> parse_body(std::string_view body, const ApiLimits& limits) {
  auto parsed = checkpoint::parse_strict_json(body, "The request body",
                                              {limits.json_depth_max, limits.json_values_max});
  if (!parsed || !parsed->is_object()) {
    ApiError error;
    error.code = "invalid_json";
    error.message = parsed ? "The request body must be a JSON object." : parsed.error().message;
    return error;
  }
  return ApiResult<Json>(boost::system::in_place_value, *std::move(parsed));
}

ApiResult<void> check_model(const std::string& asked, const ModelFacts& model) {
  if (!asked.empty() && asked != model.name) return model_not_found(asked);
  return {};
}

ApiResult<GenerateRequest> parse_chat(const Json& body, const ModelFacts& model,
                                      const ApiLimits& limits) {
  GenerateRequest request;
  request.chat = true;
  Fields fields(body);
  read_shared(fields, model, limits, request);
  read_chat_logprobs(fields, limits, request.report);
  read_template_kwargs(fields, request);
  if (request.echo) fields.fail(unsupported_parameter("echo", "a chat has no echo."));
  fields.refuse("suffix", "only text completions may have it.");
  const Json* messages = fields.get("messages");
  if (!messages) {
    fields.fail(bad_value("messages", "\"messages\" is missing."));
  } else if (auto checked = check_messages(*messages, limits); !checked) {
    fields.fail(checked.error());
  } else {
    request.messages = *messages;
  }
  if (auto result = fields.result(); !result) return result.error();
  return request;
}

ApiResult<GenerateRequest> parse_completion(const Json& body, const ModelFacts& model,
                                            const ApiLimits& limits) {
  GenerateRequest request;
  Fields fields(body);
  read_shared(fields, model, limits, request);
  read_prompts(fields, model, limits, request);
  read_completion_logprobs(fields, limits, request);
  fields.boolean("add_special_tokens", request.add_special_tokens);
  if (const Json* suffix = fields.get("suffix"); suffix && *suffix != "") {
    fields.fail(unsupported_parameter("suffix", "this server has no fill-in-the-middle."));
  }
  if (!request.max_tokens) request.max_tokens = 16;  // OpenAI's default for text completions
  if (auto result = fields.result(); !result) return result.error();
  return request;
}

}  // namespace baton::server::api
