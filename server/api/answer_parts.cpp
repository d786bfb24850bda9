#include "server/api/answer_parts.h"

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

void add_text_logprobs(ChoiceParts& parts, const TokenEvent& event, const AnswerOptions& options,
                       const TextModel& model) {
  const std::string token = token_text(event.token, options, model);
  comma(parts.tokens);
  append_json_string(parts.tokens, token);
  comma(parts.token_logprobs);
  append_json_number(parts.token_logprobs, event.logprob);
  comma(parts.top_logprobs);
  parts.top_logprobs += '{';
  std::vector<std::string> named;  // a key once, though two ids may look the same
  const auto add = [&](TokenId id, float logprob) {
    std::string name = token_text(id, options, model);
    if (std::find(named.begin(), named.end(), name) != named.end()) return;
    comma(parts.top_logprobs);
    append_json_string(parts.top_logprobs, name);
    parts.top_logprobs += ':';
    append_json_number(parts.top_logprobs, logprob);
    named.push_back(std::move(name));
  };
  for (const auto& other : event.top) add(other.token, other.logprob);
  add(event.token, event.logprob);
  parts.top_logprobs += '}';
  comma(parts.offsets);
  append_json_number(parts.offsets, parts.offset);
  parts.offset += characters(text::to_valid_utf8(model.token_bytes(event.token)));
}

}  // namespace

AnswerOptions AnswerOptions::of(const Prepared& prepared) {
  const GenerateRequest& request = prepared.request;
  AnswerOptions options;
  options.chat = request.chat;
  options.logprobs = request.report.logprobs;
  options.token_ids = request.return_token_ids;
  options.tokens_as_ids = request.tokens_as_ids;
  options.digests = request.report.logits_digest;
  // A text completion always says why it stopped; a chat does where it was asked to stop.
  options.stop_reason =
      !request.chat || !request.stop.strings.empty() || !request.stop.tokens.empty();
  options.choices = request.choices;
  options.prompts = static_cast<uint32_t>(prepared.states.size());
  options.stop_tokens = request.stop.tokens;
  if (options.token_ids) {
    for (const auto& state : prepared.states) options.prompt_ids.push_back(state.prompt);
  }
  options.echoes = prepared.echoes;
  return options;
}

void ChoiceParts::add(const TokenEvent& event, const AnswerOptions& options,
                      const TextModel& model) {
  text += event.text;
  if (options.logprobs) {
    if (options.chat) {
      add_chat_logprobs(*this, event, options, model);
    } else {
      add_text_logprobs(*this, event, options, model);
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
    stop_reason.clear();
    append_json_string(stop_reason, event.stop_string);
  } else if (*event.finish == FinishReason::stop &&
             std::find(stops.begin(), stops.end(), event.token) != stops.end()) {
    stop_reason = std::to_string(event.token);
  }
}

void ChoiceParts::clear() {
  for (std::string* part : {&text, &chat_logprobs, &tokens, &token_logprobs, &top_logprobs,
                            &offsets, &ids, &digests, &finish, &stop_reason}) {
    part->clear();
  }
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
    out += parts.tokens;
    out += "],\"token_logprobs\":[";
    out += parts.token_logprobs;
    out += "],\"top_logprobs\":[";
    out += parts.top_logprobs;
    out += "],\"text_offset\":[";
    out += parts.offsets;
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

std::string ids_json(const std::vector<TokenId>& ids) {
  return fmt::format("[{}]", fmt::join(ids, ","));
}

std::string usage_json(uint64_t prompt_tokens, uint64_t completion_tokens, uint64_t cached_tokens) {
  return fmt::format(
      "{{\"prompt_tokens\":{},\"completion_tokens\":{},\"total_tokens\":{},"
      "\"prompt_tokens_details\":{{\"cached_tokens\":{}}},"
      "\"completion_tokens_details\":{{\"reasoning_tokens\":0}},"
      "\"prompt_cache_hit_tokens\":{},\"prompt_cache_miss_tokens\":{}}}",
      prompt_tokens, completion_tokens, prompt_tokens + completion_tokens, cached_tokens,
      cached_tokens, prompt_tokens - std::min(cached_tokens, prompt_tokens));
}

uint64_t characters(std::string_view utf8) {
  return static_cast<uint64_t>(std::count_if(utf8.begin(), utf8.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

}  // namespace baton::server::api
