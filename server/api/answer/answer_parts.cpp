#include "server/api/answer/answer_parts.h"

#include <algorithm>

#include "model/text/utf8.h"
#include "server/api/json_text.h"

namespace baton::server::api {

namespace {

void comma(std::string& out) {
  if (!out.empty() && out.back() != '[' && out.back() != '{') out += ',';
}

std::string token_text(TokenId id, const AnswerOptions& options, const TextModel& model) {
  if (options.tokens_as_ids) return fmt::format("token_id:{}", id);
  return text::to_valid_utf8(model.token_bytes(id));
}

// The members that a chat's token and its alternatives share; a token may be part of a character,
// so its bytes are told too.
void append_chat_token(std::string& out, TokenId id, float logprob, const AnswerOptions& options,
                       const TextModel& model) {
  out += "{\"token\":";
  append_json_string(out, token_text(id, options, model));
  out += ",\"logprob\":";
  append_json_number(out, logprob);
  out += ",\"bytes\":[";
  bool first = true;
  for (const char c : model.token_bytes(id)) {
    if (!first) out += ',';
    first = false;
    append_json_number(out, uint64_t{static_cast<unsigned char>(c)});
  }
  out += ']';
}

void add_chat_logprobs(ChoiceParts& parts, const TokenEvent& event, const AnswerOptions& options,
                       const TextModel& model) {
  std::string& out = parts.chat_logprobs;
  comma(out);
  append_chat_token(out, event.token, event.logprob, options, model);
  out += ",\"top_logprobs\":[";
  for (const auto& other : event.top) {
    comma(out);
    append_chat_token(out, other.token, other.logprob, options, model);
    out += '}';
  }
  out += "]}";
}

// A prompt's token and the alternatives to it, by id, as vLLM has them.
void append_score(std::string& out, const PromptScore& score, const AnswerOptions& options,
                  const TextModel& model) {
  comma(out);
  out += '{';
  const auto add = [&](const TokenLogprob& token, uint32_t rank) {
    comma(out);
    out += fmt::format("\"{}\":{{\"logprob\":", token.token);
    append_json_number(out, token.logprob);
    out += fmt::format(",\"rank\":{},\"decoded_token\":", rank);
    append_json_string(out, token_text(token.token, options, model));
    out += '}';
  };
  bool there = false;
  for (uint32_t i = 0; i < score.top.size(); ++i) {
    add(score.top[i], i + 1);
    there = there || score.top[i].token == score.token.token;
  }
  if (!there) add(score.token, score.rank);
  out += '}';
}

// That the token adds to the text; a character that several tokens spell counts with the first.
uint64_t characters_of(TokenId id, const AnswerOptions& options, const TextModel& model) {
  const bool hidden = options.skip_special_tokens && model.decode({&id, 1}, true).empty();
  return hidden ? 0 : characters(model.token_bytes(id));
}

}  // namespace

AnswerOptions AnswerOptions::of(const Prepared& prepared) {
  const GenerateRequest& request = prepared.request;
  AnswerOptions options;
  options.chat = request.is_chat();
  options.logprobs = request.report.logprobs;
  options.token_ids = request.return_token_ids;
  options.tokens_as_ids = request.tokens_as_ids;
  options.digests = request.report.logits_digest;
  // A text completion always says why it stopped; a chat does where it was asked to stop.
  options.stop_reason =
      !options.chat || !request.stop.strings.empty() || !request.stop.tokens.empty();
  options.include_reasoning = request.include_reasoning;
  options.include_usage = request.include_usage;
  options.continuous_usage = request.continuous_usage;
  options.echo_logprobs = !options.chat && request.echo && request.report.logprobs;
  options.prompt_logprobs = request.show_prompt_logprobs;
  options.choices = request.choices;
  options.prompts = static_cast<uint32_t>(prepared.states.size());
  options.stop_tokens = request.stop.tokens;
  for (const auto& state : prepared.states) {
    options.prompt_tokens += state.prompt.size();
    options.scores_only = state.stop.max_tokens == 0;
    if (options.token_ids || options.echo_logprobs || options.prompt_logprobs) {
      options.prompt_ids.push_back(state.prompt);
    }
  }
  options.echoes = prepared.echoes;
  options.rules = prepared.rules;
  options.service_tier = request.service_tier;
  options.skip_special_tokens = request.report.skip_special_tokens;
  return options;
}

void TextLogprobs::add(TokenId id, std::optional<float> logprob,
                       const std::vector<TokenLogprob>& top, const AnswerOptions& options,
                       const TextModel& model) {
  comma(tokens);
  append_json_string(tokens, token_text(id, options, model));
  comma(token_logprobs);
  comma(top_logprobs);
  comma(offsets);
  append_json_number(offsets, offset);
  offset += characters_of(id, options, model);
  if (!logprob) {
    token_logprobs += "null";
    top_logprobs += "null";
    return;
  }
  append_json_number(token_logprobs, *logprob);
  top_logprobs += '{';
  std::vector<std::string> named;  // a key once, though two ids may look the same
  const auto one = [&](TokenId other, float value) {
    std::string name = token_text(other, options, model);
    if (std::find(named.begin(), named.end(), name) != named.end()) return;
    comma(top_logprobs);
    append_json_string(top_logprobs, name);
    top_logprobs += ':';
    append_json_number(top_logprobs, value);
    named.push_back(std::move(name));
  };
  for (const auto& other : top) one(other.token, other.logprob);
  one(id, *logprob);
  top_logprobs += '}';
}

void TextLogprobs::clear() {
  for (std::string* items : {&tokens, &token_logprobs, &top_logprobs, &offsets}) items->clear();
}

void PromptParts::begin(size_t prompt, const AnswerOptions& options, const TextModel& model) {
  if (options.prompt_ids.empty()) return;
  const TokenId first = options.prompt_ids[prompt].front();
  if (options.echo_logprobs) echoed.add(first, std::nullopt, {}, options, model);
  if (options.prompt_logprobs) scores = "null";
}

void PromptParts::add(const PromptScoreRun& run, const AnswerOptions& options,
                      const TextModel& model) {
  for (const PromptScore& score : run.scores) {
    if (options.echo_logprobs) {
      echoed.add(score.token.token, score.token.logprob, score.top, options, model);
    }
    if (options.prompt_logprobs) append_score(scores, score, options, model);
  }
}

void ChoiceParts::add(const TokenEvent& event, const AnswerOptions& options,
                      const TextModel& model) {
  const bool adds = !options.chat || options.logprobs || options.token_ids || options.digests ||
                    event.finish.has_value();
  if (!adds) return;  // nearly always, in a chat
  added = true;
  if (!options.chat) text += event.text;
  if (options.logprobs) {
    if (options.chat) {
      add_chat_logprobs(*this, event, options, model);
    } else {
      text_logprobs.add(event.token, event.logprob, event.top, options, model);
    }
  }
  if (options.token_ids) {
    comma(ids);
    append_json_number(ids, uint64_t{event.token});
  }
  if (options.digests) {
    comma(digests);
    digests += fmt::format("\"{:016x}{:016x}\"", event.logits.high, event.logits.low);
  }
  if (!event.finish) return;
  finish = *event.finish == FinishReason::stop ? "stop" : "length";
  const auto& stops = options.stop_tokens;
  if (!event.stop_string.empty()) {
    stop_string = event.stop_string;
    stop_reason.clear();
    append_json_string(stop_reason, event.stop_string);
  } else if (*event.finish == FinishReason::stop &&
             std::find(stops.begin(), stops.end(), event.token) != stops.end()) {
    stop_reason = std::to_string(event.token);
  }
}

void ChoiceParts::clear() {
  if (!added) return;
  added = false;
  for (std::string* part : {&text, &chat_logprobs, &ids, &digests, &finish, &stop_reason}) {
    part->clear();
  }
  text_logprobs.clear();
}

void append_logprobs(std::string& out, const ChoiceParts& parts, const AnswerOptions& options) {
  out += ",\"logprobs\":";
  if (!options.logprobs) {
    out += "null";
  } else if (options.chat) {
    out += "{\"content\":[";
    out += parts.chat_logprobs;
    out += "]}";
  } else {
    out += "{\"tokens\":[";
    out += parts.text_logprobs.tokens;
    out += "],\"token_logprobs\":[";
    out += parts.text_logprobs.token_logprobs;
    out += "],\"top_logprobs\":[";
    out += parts.text_logprobs.top_logprobs;
    out += "],\"text_offset\":[";
    out += parts.text_logprobs.offsets;
    out += "]}";
  }
}

void append_finish(std::string& out, const ChoiceParts& parts, const AnswerOptions& options) {
  out += ",\"finish_reason\":";
  out += parts.finish.empty() ? "null" : '"' + parts.finish + '"';
  if (!options.stop_reason) return;
  out += ",\"stop_reason\":";
  out += parts.stop_reason.empty() ? "null" : parts.stop_reason;
}

void append_extras(std::string& out, const ChoiceParts& parts, const AnswerOptions& options) {
  if (options.token_ids) out += ",\"token_ids\":[" + parts.ids + ']';
  if (options.digests) out += ",\"logits_digest\":[" + parts.digests + ']';
}

void append_explain(std::string& out, std::string_view explain) {
  if (explain.empty()) return;
  out += ",\"explain\":";
  out += explain;
}

std::string ids_json(const std::vector<TokenId>& ids) {
  return fmt::format("[{}]", fmt::join(ids, ","));
}

std::string usage_json(const Totals& totals) {
  const uint64_t cached = std::min(totals.cached_tokens, totals.prompt_tokens);
  return fmt::format(
      "{{\"prompt_tokens\":{},\"completion_tokens\":{},\"total_tokens\":{},"
      "\"prompt_tokens_details\":{{\"cached_tokens\":{}}},"
      "\"completion_tokens_details\":{{\"reasoning_tokens\":{}}},"
      "\"prompt_cache_hit_tokens\":{},\"prompt_cache_miss_tokens\":{}}}",
      totals.prompt_tokens, totals.completion_tokens,
      totals.prompt_tokens + totals.completion_tokens, cached, totals.reasoning_tokens, cached,
      totals.prompt_tokens - cached);
}

uint64_t characters(std::string_view utf8) {
  return static_cast<uint64_t>(std::count_if(utf8.begin(), utf8.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

}  // namespace baton::server::api
