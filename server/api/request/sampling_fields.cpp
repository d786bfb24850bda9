#include "server/api/request/sampling_fields.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "model/checkpoint/strict_json.h"

namespace baton::server::api {

namespace {

constexpr size_t kNameBytes = 1024;
constexpr size_t kRequestIdBytes = 128;

// Ignoring these would answer a question that was not asked.
void refuse_unsupported(Fields& fields) {
  for (const char* name :
       {"audio", "prediction", "web_search_options", "functions", "function_call", "moderation",
        "chat_template", "documents", "length_penalty", "stop_regex", "prompt_embeds",
        "mm_processor_kwargs"}) {
    fields.refuse(name, "this server does not have it.");
  }
  bool beams = false;
  fields.boolean("use_beam_search", beams);
  if (beams) fields.fail(unsupported_parameter("use_beam_search", "there is no beam search."));
  if (const Json* modalities = fields.get("modalities")) {
    if (*modalities != Json::array({"text"})) {
      fields.fail(unsupported_parameter("modalities", "only [\"text\"] is."));
    }
  }
}

void read_stop(Fields& fields, const ModelFacts& model, const ApiLimits& limits, StopParams& stop) {
  read_stop_strings(fields, "stop", limits, stop);
  fields.tokens("stop_token_ids", stop.tokens, limits.stop_tokens_max, model.vocab_size);
  fields.boolean("ignore_eos", stop.ignore_eos);
  fields.boolean("include_stop_str_in_output", stop.include_string);
  fields.boolean("no_stop_trim", stop.include_string);
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

void read_token_rules(Fields& fields, const ModelFacts& model, const ApiLimits& limits,
                      GenerateRequest& request) {
  auto& allowed = request.sampling.allowed;
  fields.tokens("allowed_token_ids", allowed, limits.logit_bias_max, model.vocab_size);
  std::sort(allowed.begin(), allowed.end());
  allowed.erase(std::unique(allowed.begin(), allowed.end()), allowed.end());
  if (const Json* value = fields.get("allowed_token_ids"); value && *value == Json::array()) {
    fields.fail(bad_value("allowed_token_ids", "\"allowed_token_ids\" must not be empty."));
  }
  const Json* words = fields.get("bad_words");
  if (!words) return;
  bool good = words->is_array() && words->size() <= limits.bad_words_max;
  for (size_t i = 0; good && i < words->size(); ++i) {
    const Json& word = (*words)[i];
    good = word.is_string() && !word.get_ref<const std::string&>().empty() &&
           word.get_ref<const std::string&>().size() <= limits.bad_word_bytes_max;
    if (good) request.bad_words.push_back(word.get<std::string>());
  }
  if (!good) {
    fields.fail(bad_value("bad_words",
                          "\"bad_words\" must be a list of at most {} texts of at most {} bytes.",
                          limits.bad_words_max, limits.bad_word_bytes_max));
  }
}

// As DeepSeek's own API understood temperatures of V3-0324.
float deepseek_temperature(float asked) { return asked <= 1 ? asked * 0.3f : asked - 0.7f; }

void read_sampling(Fields& fields, const ModelFacts& model, const ApiLimits& limits,
                   GenerateRequest& request) {
  SamplingParams& sampling = request.sampling;
  sampling = model.sampling;
  fields.number("temperature", sampling.temperature, {0, 2});
  if (model.deepseek_temperature && fields.get("temperature")) {
    sampling.temperature = deepseek_temperature(sampling.temperature);
  }
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
  read_token_rules(fields, model, limits, request);
  fields.integer("n", request.choices, 1, limits.choices_max);
  uint32_t best_of = request.choices;
  fields.integer("best_of", best_of, 1, limits.choices_max);
  if (best_of != request.choices) {
    fields.fail(unsupported_parameter("best_of", "it must be equal to \"n\"."));
  }
  int64_t n_predict = -1;  // llama-server's: as many as there is room for
  fields.integer("n_predict", n_predict, -1, model.max_model_len);
  if (n_predict >= 0) request.max_tokens = static_cast<uint32_t>(n_predict);
  for (const char* name : {"max_tokens", "max_completion_tokens"}) {
    fields.integer(name, request.max_tokens, 0, model.max_model_len);
  }
}

void read_report(Fields& fields, const ApiLimits& limits, GenerateRequest& request) {
  fields.boolean("skip_special_tokens", request.report.skip_special_tokens);
  fields.boolean("return_logits_digest", request.report.logits_digest);
  fields.integer("prompt_logprobs", request.report.prompt_logprobs, 0, limits.top_logprobs_max);
  request.show_prompt_logprobs = request.report.prompt_logprobs.has_value();
  fields.boolean("return_token_ids", request.return_token_ids);
  fields.boolean("return_tokens_as_token_ids", request.tokens_as_ids);
  fields.boolean("explain", request.explain);
  fields.boolean("echo", request.echo);
  fields.boolean("stream", request.stream);
  fields.text("service_tier", request.service_tier, kNameBytes);
  if (request.stream && request.report.prompt_logprobs) {
    fields.fail(unsupported_parameter("prompt_logprobs", "a stream doesn't carry it."));
  }
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
  inner.boolean("continuous_usage_stats", request.continuous_usage);
  bool obfuscation = false;  // padding of events against who measures their length: there is none
  inner.boolean("include_obfuscation", obfuscation);
  fields.add(inner);
}

void read_truncation(Fields& fields, const ModelFacts& model, GenerateRequest& request) {
  const char* name = "truncate_prompt_tokens";
  const Json* value = fields.get(name);
  request.truncate_to_room = value && *value == -1;
  if (!request.truncate_to_room) {
    fields.integer(name, request.truncate_prompt, 1, model.max_model_len);
  }
}

// Requests share cached prompts under the same salt only. SGLang has another name beside it.
void read_salt(Fields& fields, const ApiLimits& limits, GenerateRequest& request) {
  std::string salt, extra;
  fields.text("cache_salt", salt, limits.cache_salt_bytes_max);
  fields.text("extra_key", extra, limits.cache_salt_bytes_max);
  if (const Json* given = fields.get("cache_salt"); given && *given == "") {
    fields.fail(bad_value("cache_salt", "\"cache_salt\" must not be empty."));
  }
  request.cache_salt = extra.empty() ? salt : salt + '\n' + extra;
}

// The client's name for its answer, which goes into JSON and logs as it is.
void read_request_id(Fields& fields, GenerateRequest& request) {
  for (const char* name : {"request_id", "rid"}) {
    fields.text(name, request.request_id, kRequestIdBytes);
    const bool plain = std::ranges::all_of(
        request.request_id, [](char c) { return c > ' ' && c < 0x7F && c != '"' && c != '\\'; });
    if (!plain) {
      fields.fail(bad_value(fields.path(name),
                            "\"{}\" must be of visible ASCII characters, without quotes and "
                            "backslashes.",
                            fields.path(name)));
    }
  }
}

// Known to some server and of no effect here (README): checked as far as their type is certain.
void read_ignored(Fields& fields, const ModelFacts& model) {
  bool flag = false;
  for (const char* name : {"store", "spaces_between_special_tokens", "add_special_tokens",
                           "stream_reasoning", "cache_prompt", "timings_per_token"}) {
    fields.boolean(name, flag);
  }
  std::string text;
  for (const char* name : {"user", "safety_identifier", "prompt_cache_key", "verbosity",
                           "prompt_cache_retention", "session_id"}) {
    fields.text(name, text, kNameBytes);
  }
  uint32_t number = 0;
  fields.integer("stream_interval", number, 1, model.max_model_len);
  fields.ignore({"metadata", "prompt_cache_options", "kv_transfer_params", "bootstrap_host",
                 "bootstrap_port", "bootstrap_room"});
}

void set_thinking(GenerateRequest& request, bool on) {
  request.template_kwargs["thinking"] = on;
  request.template_kwargs["enable_thinking"] = on;
}

// Only what a template may be told.
void read_template_kwargs(Fields& fields, GenerateRequest& request) {
  const Json* given = fields.get("chat_template_kwargs");
  if (!given) return;
  if (!given->is_object()) {
    return fields.fail(
        bad_value("chat_template_kwargs", "\"chat_template_kwargs\" must be an object."));
  }
  for (const auto& [name, value] : given->items()) {
    if (name != "thinking" && name != "enable_thinking") {
      return fields.fail(unsupported_parameter("chat_template_kwargs." + name,
                                               "only \"thinking\" and \"enable_thinking\" are."));
    }
    if (value.is_null()) continue;
    if (!value.is_boolean()) {
      return fields.fail(bad_value("chat_template_kwargs." + name,
                                   "\"chat_template_kwargs.{}\" must be true or false.", name));
    }
    set_thinking(request, value.get<bool>());
  }
}

void read_effort(Fields& fields, const char* name, GenerateRequest& request) {
  std::string effort;
  fields.text(name, effort, kNameBytes);
  if (effort.empty()) return;
  for (const char* known : {"none", "minimal", "low", "medium", "high", "xhigh", "max"}) {
    if (effort == known) return set_thinking(request, effort != "none");
  }
  fields.fail(bad_value(fields.path(name),
                        "\"{}\" must be none, minimal, low, medium, high or max.",
                        fields.path(name)));
}

}  // namespace

void read_stop_strings(Fields& fields, const char* name, const ApiLimits& limits,
                       StopParams& stop) {
  const Json* value = fields.get(name);
  if (!value) return;
  const std::string path = fields.path(name);
  const Json list = value->is_array() ? *value : Json::array({*value});
  if (list.size() > limits.stop_strings_max) {
    return fields.fail(
        bad_value(path, "\"{}\" has more than {} strings.", path, limits.stop_strings_max));
  }
  for (const auto& item : list) {
    if (!item.is_string() || item.get_ref<const std::string&>().empty()) {
      return fields.fail(
          bad_value(path, "\"{}\" must be a string or a list of strings, none empty.", path));
    }
    if (item.get_ref<const std::string&>().size() > limits.stop_string_bytes_max) {
      return fields.fail(bad_value(path, "A string of \"{}\" is over {} bytes.", path,
                                   limits.stop_string_bytes_max));
    }
    stop.strings.push_back(item.get<std::string>());
  }
}

void read_shared_fields(Fields& fields, const ModelFacts& model, const ApiLimits& limits,
                        GenerateRequest& request) {
  fields.text("model", request.model, kNameBytes);
  if (auto served = check_model(request.model, model); !served) fields.fail(served.error());
  refuse_unsupported(fields);
  read_sampling(fields, model, limits, request);
  read_stop(fields, model, limits, request.stop);
  read_report(fields, limits, request);
  request.constraint = read_constraint(fields);
  read_truncation(fields, model, request);
  read_salt(fields, limits, request);
  read_request_id(fields, request);
  int64_t priority = 0;
  fields.integer("priority", priority, std::numeric_limits<int32_t>::min(),
                 std::numeric_limits<int32_t>::max());
  request.priority = static_cast<int32_t>(priority);
  read_ignored(fields, model);
}

void read_thinking(Fields& fields, GenerateRequest& request) {
  read_effort(fields, "reasoning_effort", request);
  if (const Json* value = fields.get("reasoning")) {
    if (!value->is_object()) {
      return fields.fail(bad_value("reasoning", "\"reasoning\" must be an object."));
    }
    Fields inner(*value, fields.path("reasoning."));
    read_effort(inner, "effort", request);
    inner.ignore({"summary", "generate_summary"});
    std::optional<bool> enabled;
    if (inner.get("enabled")) inner.boolean("enabled", enabled.emplace());
    if (enabled) set_thinking(request, *enabled);
    fields.add(inner);
  }
  if (const Json* value = fields.get("thinking")) {
    const Json type = value->is_object() ? value->value("type", Json()) : Json();
    if (type != "enabled" && type != "disabled" && type != "adaptive") {
      return fields.fail(
          bad_value("thinking.type", "\"thinking.type\" must be \"enabled\" or \"disabled\"."));
    }
    set_thinking(request, type != "disabled");
  }
  if (fields.get("enable_thinking")) {
    bool on = false;
    fields.boolean("enable_thinking", on);
    set_thinking(request, on);
  }
  read_template_kwargs(fields, request);
}

void read_go_on(Fields& fields, GenerateRequest& request) {
  bool generation_prompt = true;
  fields.boolean("add_generation_prompt", generation_prompt);
  request.template_kwargs["add_generation_prompt"] = generation_prompt;
  fields.boolean("continue_final_message", request.go_on);
  const bool from_assistant = request.messages.is_array() && !request.messages.empty() &&
                              request.messages.back().value("role", Json()) == "assistant";
  const bool prefix = from_assistant && request.messages.back().value("prefix", Json()) == true;
  if (prefix) request.go_on = true;
  if (request.go_on && !from_assistant) {
    fields.fail(bad_value("continue_final_message",
                          "The last message to go on with must be the assistant's."));
  }
  if (request.go_on && !prefix && generation_prompt && fields.get("add_generation_prompt")) {
    fields.fail(bad_value("add_generation_prompt",
                          "\"add_generation_prompt\" and \"continue_final_message\" exclude each "
                          "other."));
  }
  if (request.echo && !from_assistant) {
    fields.fail(bad_value("echo", "A chat echoes only a last message of the assistant's."));
  }
}

void read_fields_of_chat(Fields& fields, std::initializer_list<const char*> others,
                         const ModelFacts& model, const ApiLimits& limits,
                         GenerateRequest& request) {
  fields.hide(others);
  read_shared_fields(fields, model, limits, request);
  read_thinking(fields, request);
  fields.show();
}

ApiResult<void> finish_fields(Fields& fields, const ApiLimits& limits, GenerateRequest& request) {
  request.unknown = fields.unknown();
  if (limits.strict_fields && !request.unknown.empty()) {
    const std::string& name = request.unknown.front();
    fields.fail(unsupported_parameter(name, "no field of this name is known here."));
  }
  return fields.result();
}

void check_asks_for_something(Fields& fields, const GenerateRequest& request) {
  if (request.max_tokens != 0u || request.echo || request.report.prompt_logprobs) return;
  fields.fail(bad_value("max_tokens",
                        "\"max_tokens\" may be 0 only with \"echo\" or \"prompt_logprobs\"."));
}

ApiResult<Json> parse_body(std::string_view body, const ApiLimits& limits) {
  auto parsed = checkpoint::parse_strict_ordered_json(
      body, "The request body", {limits.json_depth_max, limits.json_values_max});
  if (!parsed || !parsed->is_object()) {
    ApiError error;
    error.code = "invalid_json";
    error.message = parsed ? "The request body must be a JSON object." : parsed.error().message;
    return error;
  }
  return ApiResult<Json>(boost::system::in_place_value, *std::move(parsed));
}

ApiResult<void> check_model(const std::string& asked, const ModelFacts& model) {
  if (!asked.empty() && !model.is_called(asked)) return model_not_found(asked);
  return {};
}

}  // namespace baton::server::api
