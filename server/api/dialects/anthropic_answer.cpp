#include "server/api/dialects/anthropic_answer.h"

#include <algorithm>

#include "server/api/json_text.h"

namespace baton::server::api {

namespace {

using Kind = OutputEvent::Kind;

std::string_view error_type(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 404:
      return "not_found_error";
    case 413:
      return "request_too_large";
    case 429:
      return "rate_limit_error";
    case 503:
      return "overloaded_error";
    case 504:
      return "timeout_error";
    default:
      return status < 500 ? "invalid_request_error" : "api_error";
  }
}

std::string text_block(std::string_view type, std::string_view text) {
  std::string block = fmt::format("{{\"type\":\"{0}\",\"{0}\":", type);
  append_json_string(block, text);
  if (type == "thinking") block += ",\"signature\":\"\"";
  return block + '}';
}

}  // namespace

std::string anthropic_error_json(const ApiError& error) {
  std::string out = fmt::format("{{\"type\":\"error\",\"error\":{{\"type\":\"{}\",\"message\":",
                                error_type(error.status));
  append_json_string(out, error.message);
  out += ",\"param\":";
  if (error.param.empty()) {
    out += "null";
  } else {
    append_json_string(out, error.param);
  }
  out += "}}";
  return out;
}

std::string AnthropicBase::message_head() const {
  std::string out = fmt::format(
      "{{\"id\":\"{}\",\"type\":\"message\",\"role\":\"assistant\","
      "\"model\":",
      name_.id("msg_"));
  append_json_string(out, model_.facts().name);
  return out;
}

std::string AnthropicBase::stop_members() const {
  const Choice& choice = choices_.front();
  const std::string reason = finish_reason(choice);
  const std::string& sequence = choice.parts.stop_string;
  const std::string_view named = reason == "length"       ? "max_tokens"
                                 : reason == "tool_calls" ? "tool_use"
                                 : !sequence.empty()      ? "stop_sequence"
                                                          : "end_turn";
  std::string out = fmt::format("\"stop_reason\":\"{}\",\"stop_sequence\":", named);
  if (sequence.empty()) {
    out += "null";
  } else {
    append_json_string(out, sequence);
  }
  return out;
}

// Tokens from the cache are counted by themselves here.
std::string AnthropicBase::input_usage() const {
  const Totals all = totals();
  const uint64_t cached = std::min(all.cached_tokens, all.prompt_tokens);
  return fmt::format(
      "\"input_tokens\":{},\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":{}",
      all.prompt_tokens - cached, cached);
}

std::string AnthropicBase::call_block(const ToolCall& call, uint32_t number) const {
  std::string block = fmt::format("{{\"type\":\"tool_use\",\"id\":\"{}\",\"name\":",
                                  name_.call_id(0, number, "toolu_"));
  append_json_string(block, call.name);
  block += ",\"input\":";
  block += call.arguments.empty() ? "{}" : without_half_surrogates(call.arguments);
  return block + '}';
}

// ---- whole --------------------------------------------------------------------------------------

void WholeAnthropic::tokens(size_t prompt, std::span<const TokenEvent> events, std::string&) {
  for (const auto& event : events) {
    for (const auto& said : read(index_of(prompt, event), event).events) add(said);
  }
}

// Blocks in the order in which they were said; neighbours of one kind are one.
void WholeAnthropic::add(const OutputEvent& event) {
  const bool more = !blocks_.empty() && blocks_.back().kind == event.kind;
  switch (event.kind) {
    case Kind::reasoning:
    case Kind::content:
      if (!more) blocks_.push_back({event.kind, {}, 0});
      blocks_.back().call.arguments += event.text;
      return;
    case Kind::call:
      blocks_.push_back({Kind::call, {event.text, {}}, event.call});
      return;
    case Kind::arguments:
      blocks_.back().call.arguments += event.text;
      return;
    case Kind::call_end:
      return;
    case Kind::call_broken:  // it was none
      blocks_.pop_back();
      add({Kind::content, event.text});
      return;
  }
}

void WholeAnthropic::finish(uint64_t cached_tokens, std::string_view explain, std::string& out) {
  cached_tokens_ = cached_tokens;
  out += message_head();
  out += ",\"content\":[";
  for (size_t written = 0; const Block& block : blocks_) {
    const bool thinking = block.kind == Kind::reasoning;
    if (thinking && !options_.include_reasoning) continue;
    if (written++ > 0) out += ',';
    out += block.kind == Kind::call
               ? call_block(block.call, block.number)
               : text_block(thinking ? "thinking" : "text", block.call.arguments);
  }
  out += fmt::format("],{},\"usage\":{{{},\"output_tokens\":{}}}", stop_members(), input_usage(),
                     completion_tokens_);
  append_explain(out, explain);
  out += '}';
}

void WholeAnthropic::fail(const ApiError& error, std::string& out) {
  out += anthropic_error_json(error);
}

// ---- stream -------------------------------------------------------------------------------------

void AnthropicStream::emit(std::string_view type, std::string_view members, std::string& out) {
  out += fmt::format("event: {}\n", type);
  append_event(out,
               fmt::format("{{\"type\":\"{}\"{}{}}}", type, members.empty() ? "" : ",", members));
}

void AnthropicStream::begin(std::string& out) {
  begun_ = true;
  emit("message_start",
       fmt::format("\"message\":{},\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,"
                   "\"usage\":{{{},\"output_tokens\":1}}}}",
                   message_head(), input_usage()),
       out);
}

void AnthropicStream::open(Block block, std::string_view start, std::string& out) {
  if (block_ == block && block != Block::call) return;
  close(out);
  block_ = block;
  emit("content_block_start", fmt::format("\"index\":{},\"content_block\":{}", blocks_, start),
       out);
}

void AnthropicStream::close(std::string& out) {
  if (block_ == Block::none) return;
  emit("content_block_stop", fmt::format("\"index\":{}", blocks_), out);
  ++blocks_;
  block_ = Block::none;
}

void AnthropicStream::delta(std::string_view type, std::string_view member, std::string_view text,
                            std::string& out) {
  std::string members =
      fmt::format("\"index\":{},\"delta\":{{\"type\":\"{}\",\"{}\":", blocks_, type, member);
  append_json_string(members, text);
  emit("content_block_delta", members + '}', out);
}

void AnthropicStream::say(const OutputEvent& event, std::string& out) {
  switch (event.kind) {
    case Kind::reasoning:
      if (!options_.include_reasoning) return;
      open(Block::thinking, text_block("thinking", ""), out);
      return delta("thinking_delta", "thinking", event.text, out);
    case Kind::content:
      open(Block::text, text_block("text", ""), out);
      return delta("text_delta", "text", event.text, out);
    case Kind::call:
      return open(Block::call, call_block({event.text, {}}, event.call), out);
    case Kind::arguments:
      return delta("input_json_delta", "partial_json", event.text, out);
    case Kind::call_end:
      return close(out);
    case Kind::call_broken:  // the block can't be taken back, but the text has all of it
      open(Block::text, text_block("text", ""), out);
      return delta("text_delta", "text", event.text, out);
  }
}

void AnthropicStream::tokens(size_t prompt, std::span<const TokenEvent> events, std::string& out) {
  if (!begun_) begin(out);
  for (const auto& event : events) {
    Choice& choice = read(index_of(prompt, event), event);
    for (const auto& said : choice.events) say(said, out);
    if (!event.finish) choice.parts.clear();
  }
}

void AnthropicStream::finish(uint64_t cached_tokens, std::string_view explain, std::string& out) {
  cached_tokens_ = cached_tokens;
  if (!begun_) begin(out);
  close(out);
  std::string members = fmt::format("\"delta\":{{{}}},\"usage\":{{{},\"output_tokens\":{}}}",
                                    stop_members(), input_usage(), completion_tokens_);
  append_explain(members, explain);
  emit("message_delta", members, out);
  emit("message_stop", "", out);
}

void AnthropicStream::fail(const ApiError& error, std::string& out) {
  out += "event: error\n";
  append_event(out, anthropic_error_json(error));
}

}  // namespace baton::server::api
