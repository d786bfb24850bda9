#include "server/api/answer/chat_answer.h"

#include "server/api/json_text.h"

namespace baton::server::api {

using Kind = OutputEvent::Kind;

// ---- whole --------------------------------------------------------------------------------------

void WholeChat::tokens(size_t prompt, std::span<const TokenEvent> events, std::string&) {
  for (const auto& event : events) {
    Choice& choice = read(index_of(prompt, event), event);
    for (const auto& said : choice.events) choice.text.add(said);
  }
}

void WholeChat::append_message(std::string& out, size_t index) const {
  const Choice& choice = choices_[index];
  std::string content = options_.echoes.empty() ? "" : options_.echoes.front();
  content += choice.text.content;
  out += "{\"role\":\"assistant\",\"content\":";
  if (content.empty() && !choice.text.calls.empty()) {
    out += "null";
  } else {
    append_json_string(out, content);
  }
  out += ",\"refusal\":null";
  if (options_.include_reasoning && !choice.text.reasoning.empty()) {
    out += ",\"reasoning_content\":";
    append_json_string(out, choice.text.reasoning);
  }
  if (!choice.text.calls.empty()) out += ",\"tool_calls\":[";
  for (uint32_t i = 0; i < choice.text.calls.size(); ++i) {
    if (i > 0) out += ',';
    out += fmt::format("{{\"id\":\"{}\",\"type\":\"function\",\"function\":{{\"name\":",
                       name_.call_id(index, i));
    append_json_string(out, choice.text.calls[i].name);
    out += ",\"arguments\":";
    append_json_string(out, choice.text.calls[i].arguments);
    out += "}}";
  }
  if (!choice.text.calls.empty()) out += ']';
  out += '}';
}

void WholeChat::finish(uint64_t cached_tokens, std::string_view explain, std::string& out) {
  cached_tokens_ = cached_tokens;
  out += head("chatcmpl-", "chat.completion");
  out += ",\"choices\":[";
  for (size_t i = 0; i < choices_.size(); ++i) {
    ChoiceParts& parts = choices_[i].parts;
    parts.finish = finish_reason(choices_[i]);
    out += i > 0 ? ",{\"index\":" : "{\"index\":";
    append_json_number(out, uint64_t{i});
    out += ",\"message\":";
    append_message(out, i);
    append_logprobs(out, parts, options_);
    append_finish(out, parts, options_);
    append_extras(out, parts, options_);
    out += '}';
  }
  out += "],\"usage\":" + usage_json(totals());
  if (options_.token_ids) out += ",\"prompt_token_ids\":" + ids_json(options_.prompt_ids.front());
  if (options_.prompt_logprobs) out += ",\"prompt_logprobs\":[" + prompts_[0].scores + ']';
  if (!explain.empty()) {
    out += ",\"explain\":";
    out += explain;
  }
  out += '}';
}

void WholeChat::fail(const ApiError& error, std::string& out) { out += error_json(error); }

// ---- stream -------------------------------------------------------------------------------------

ChatStream::ChatStream(const Prepared& prepared, const TextModel& model, const AnswerName& name)
    : AnswerBase(prepared, model, name), head_(head("chatcmpl-", "chat.completion.chunk")) {}

void ChatStream::tokens(size_t prompt, std::span<const TokenEvent> events, std::string& out) {
  for (const auto& each : events) event(index_of(prompt, each), each, out);
}

// One object of the stream with one choice; `members`: the choice's, behind "index".
void ChatStream::write(size_t index, std::string_view members, std::string& out) {
  ChoiceParts& parts = choices_[index].parts;
  json_ = head_;
  json_ += ",\"choices\":[{\"index\":";
  append_json_number(json_, uint64_t{index});
  json_ += members;
  json_ += "}]";
  if (!parts.begun && options_.token_ids) {
    json_ += ",\"prompt_token_ids\":" + ids_json(options_.prompt_ids.front());
  }
  if (options_.continuous_usage) json_ += ",\"usage\":" + usage_json(totals());
  json_ += '}';
  parts.begun = true;
  append_event(out, json_);
}

void ChatStream::choice_event(size_t index, std::string_view delta, bool with_parts,
                              std::string& out) {
  const ChoiceParts& parts = choices_[index].parts;
  body_ = ",\"delta\":{";
  body_ += delta;
  body_ += '}';
  if (with_parts) {
    append_logprobs(body_, parts, options_);
    body_ += ",\"finish_reason\":null";
    append_extras(body_, parts, options_);
  } else {
    body_ += ",\"logprobs\":null,\"finish_reason\":null";
  }
  write(index, body_, out);
}

// The role comes with the first token, never before: clients time the first chunk.
void ChatStream::begin(size_t index, std::string& out) {
  choice_event(index, "\"role\":\"assistant\",\"content\":\"\"", false, out);
  if (options_.echoes.empty() || options_.echoes.front().empty()) return;
  std::string delta = "\"content\":";
  append_json_string(delta, options_.echoes.front());
  choice_event(index, delta, false, out);
}

bool ChatStream::append_delta(std::string& delta, size_t index, const OutputEvent& event) const {
  switch (event.kind) {
    case Kind::reasoning:
      if (!options_.include_reasoning) return false;
      delta = "\"reasoning_content\":";
      append_json_string(delta, event.text);
      return true;
    case Kind::content:
      delta = "\"content\":";
      append_json_string(delta, event.text);
      return true;
    case Kind::call:
      delta = fmt::format(
          "\"tool_calls\":[{{\"index\":{},\"id\":\"{}\",\"type\":\"function\",\"function\":"
          "{{\"name\":",
          event.call, name_.call_id(index, event.call));
      append_json_string(delta, event.text);
      delta += ",\"arguments\":\"\"}}]";
      return true;
    case Kind::arguments:
      delta =
          fmt::format("\"tool_calls\":[{{\"index\":{},\"function\":{{\"arguments\":", event.call);
      append_json_string(delta, event.text);
      delta += "}}]";
      return true;
    case Kind::call_end:
      return false;
    case Kind::call_broken:  // what was told of it can't be taken back; the rest is content
      if (event.rest == 0) return false;
      delta = "\"content\":";
      append_json_string(delta,
                         std::string_view(event.text).substr(event.text.size() - event.rest));
      return true;
  }
  return false;
}

void ChatStream::event(size_t index, const TokenEvent& event, std::string& out) {
  Choice& choice = read(index, event);
  if (!choice.parts.begun) begin(index, out);
  // What is told of the token itself goes with the first thing that it says.
  bool parts_told = !options_.logprobs && !options_.token_ids && !options_.digests;
  const bool has_parts = !parts_told;
  std::string delta;
  for (const auto& said : choice.events) {
    if (!append_delta(delta, index, said)) continue;
    choice_event(index, delta, !parts_told || !has_parts, out);
    parts_told = true;
  }
  if (!parts_told) choice_event(index, "", true, out);
  if (event.finish) {
    choice.parts.finish = finish_reason(choice);
    body_ = ",\"delta\":{},\"logprobs\":null";
    append_finish(body_, choice.parts, options_);
    write(index, body_, out);
  }
  choice.parts.clear();
}

void ChatStream::finish(uint64_t cached_tokens, std::string_view explain, std::string& out) {
  cached_tokens_ = cached_tokens;
  for (size_t i = 0; options_.scores_only && i < choices_.size(); ++i) {
    begin(i, out);
    choices_[i].parts.finish = finish_reason(choices_[i]);
    body_ = ",\"delta\":{},\"logprobs\":null";
    append_finish(body_, choices_[i].parts, options_);
    write(i, body_, out);
  }
  if (options_.include_usage || !explain.empty()) {
    json_ = head_;
    json_ += ",\"choices\":[]";
    if (options_.include_usage) json_ += ",\"usage\":" + usage_json(totals());
    if (!explain.empty()) {
      json_ += ",\"explain\":";
      json_ += explain;
    }
    json_ += '}';
    append_event(out, json_);
  }
  out += kDoneEvent;
}

void ChatStream::fail(const ApiError& error, std::string& out) {
  append_event(out, error_json(error));
  out += kDoneEvent;
}

}  // namespace baton::server::api
