#include "server/api/answer/chat_answer.h"

#include <iterator>

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
  append_explain(out, explain);
  out += '}';
}

void WholeChat::fail(const ApiError& error, std::string& out) { out += error_json(error); }

// ---- stream -------------------------------------------------------------------------------------

ChatStream::ChatStream(const Prepared& prepared, const TextModel& model, const AnswerName& name)
    : ChunkStream(prepared, model, name, "chatcmpl-", "chat.completion.chunk") {}

void ChatStream::tokens(size_t prompt, std::span<const TokenEvent> events, std::string& out) {
  for (const auto& each : events) event(index_of(prompt, each), each, out);
}

void ChatStream::begin_delta(size_t index, std::string& out) const {
  begin_event(index, out);
  out += ",\"delta\":{";
}

void ChatStream::end_delta(size_t index, bool with_parts, std::string& out) {
  ChoiceParts& parts = choices_[index].parts;
  out += '}';
  if (with_parts) {
    append_logprobs(out, parts, options_);
    out += ",\"finish_reason\":null";
    append_extras(out, parts, options_);
  } else {
    out += ",\"logprobs\":null,\"finish_reason\":null";
  }
  end_event(index, !parts.begun, out);
  parts.begun = true;
}

// The role comes with the first token, never before: clients time the first chunk.
void ChatStream::begin(size_t index, std::string& out) {
  begin_delta(index, out);
  out += "\"role\":\"assistant\",\"content\":\"\"";
  end_delta(index, false, out);
  if (options_.echoes.empty() || options_.echoes.front().empty()) return;
  begin_delta(index, out);
  out += "\"content\":";
  append_json_string(out, options_.echoes.front());
  end_delta(index, false, out);
}

void ChatStream::end(size_t index, std::string& out) {
  Choice& choice = choices_[index];
  choice.parts.finish = finish_reason(choice);
  begin_event(index, out);
  out += ",\"delta\":{},\"logprobs\":null";
  append_finish(out, choice.parts, options_);
  end_event(index, !choice.parts.begun, out);
  choice.parts.begun = true;
}

void ChatStream::scored(size_t index, std::string& out) {
  begin(index, out);
  end(index, out);
}

// False: nothing of the event is told.
bool ChatStream::append_delta(std::string& out, size_t index, const OutputEvent& event) const {
  switch (event.kind) {
    case Kind::reasoning:
      if (!options_.include_reasoning) return false;
      out += "\"reasoning_content\":";
      append_json_string(out, event.text);
      return true;
    case Kind::content:
      out += "\"content\":";
      append_json_string(out, event.text);
      return true;
    case Kind::call:
      fmt::format_to(
          std::back_inserter(out),
          "\"tool_calls\":[{{\"index\":{},\"id\":\"{}\",\"type\":\"function\",\"function\":"
          "{{\"name\":",
          event.call, name_.call_id(index, event.call));
      append_json_string(out, event.text);
      out += ",\"arguments\":\"\"}}]";
      return true;
    case Kind::arguments:
      fmt::format_to(std::back_inserter(out),
                     "\"tool_calls\":[{{\"index\":{},\"function\":{{\"arguments\":", event.call);
      append_json_string(out, event.text);
      out += "}}]";
      return true;
    case Kind::call_end:
      return false;
    case Kind::call_broken:  // what was told of it can't be taken back; the rest is content
      if (event.rest == 0) return false;
      out += "\"content\":";
      append_json_string(out, std::string_view(event.text).substr(event.text.size() - event.rest));
      return true;
  }
  return false;
}

void ChatStream::event(size_t index, const TokenEvent& event, std::string& out) {
  Choice& choice = read(index, event);
  if (!choice.parts.begun) begin(index, out);
  // What is told of the token itself goes with the first thing that it says.
  bool parts_told = !options_.logprobs && !options_.token_ids && !options_.digests;
  for (const auto& said : choice.events) {
    const size_t before = out.size();
    begin_delta(index, out);
    if (!append_delta(out, index, said)) {
      out.resize(before);
      continue;
    }
    end_delta(index, !parts_told, out);
    parts_told = true;
  }
  if (!parts_told) {
    begin_delta(index, out);
    end_delta(index, true, out);
  }
  if (event.finish) end(index, out);
  choice.parts.clear();
}

}  // namespace baton::server::api
