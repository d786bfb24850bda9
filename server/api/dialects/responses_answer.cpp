#include "server/api/dialects/responses_answer.h"

#include "server/api/json_text.h"

namespace baton::server::api {

namespace {

using Kind = OutputEvent::Kind;

void append_member(std::string& out, std::string_view name, std::string_view text) {
  out += fmt::format(",\"{}\":", name);
  append_json_string(out, text);
}

std::string output_text(std::string_view text, std::string_view logprobs) {
  std::string part = "{\"type\":\"output_text\",\"text\":";
  append_json_string(part, text);
  part += fmt::format(",\"annotations\":[],\"logprobs\":[{}]}}", logprobs);
  return part;
}

std::string reasoning_text(std::string_view text) {
  std::string part = "{\"type\":\"reasoning_text\",\"text\":";
  append_json_string(part, text);
  return part + '}';
}

}  // namespace

// ---- the response ------------------------------------------------------------------------------

ResponseBase::ResponseBase(const Prepared& prepared, const TextModel& model, const AnswerName& name)
    : AnswerBase(prepared, model, name), repeated_(prepared.request.repeated) {}

void ResponseBase::add_item(const std::string& id, std::string json) {
  items_done_.emplace_back(id, std::move(json));
}

std::string ResponseBase::output() const {
  std::string out;
  for (const auto& [id, json] : items_done_) {
    if (!out.empty()) out += ',';
    out += json;
  }
  return out;
}

std::string ResponseBase::status() const {
  return finish_reason(choices_.front()) == "length" ? "incomplete" : "completed";
}

std::string ResponseBase::response(std::string_view status, bool usage, const ApiError* error,
                                   std::string_view explain) const {
  std::string out = fmt::format(
      "{{\"id\":\"{}\",\"object\":\"response\",\"created_at\":{},\"status\":\"{}\","
      "\"background\":false,\"error\":",
      name_.id("resp_"), name_.created, status);
  if (error) {
    out += "{\"code\":";
    append_json_string(out, error->code);
    append_member(out, "message", error->message);
    out += '}';
  } else {
    out += "null";
  }
  out += ",\"incomplete_details\":";
  out += status == "incomplete" ? "{\"reason\":\"max_output_tokens\"}" : "null";
  append_member(out, "model", model_.facts().name);
  // No response can be got again, whatever was asked for.
  out += fmt::format(",\"output\":[{}],\"previous_response_id\":null,\"store\":false", output());
  const auto repeat = [&](const char* name, std::string_view otherwise) {
    const auto found = repeated_.find(name);
    out += fmt::format(
        ",\"{}\":{}", name,
        found == repeated_.end() || found->is_null() ? std::string(otherwise) : found->dump());
  };
  repeat("instructions", "null");
  repeat("max_output_tokens", "null");
  repeat("metadata", "{}");
  repeat("parallel_tool_calls", "true");
  repeat("reasoning", "{\"effort\":null,\"summary\":null}");
  const SamplingParams& otherwise = model_.facts().sampling;
  repeat("temperature", fmt::format("{}", otherwise.temperature));
  repeat("text", "{\"format\":{\"type\":\"text\"}}");
  repeat("tool_choice", "\"auto\"");
  repeat("tools", "[]");
  repeat("top_p", fmt::format("{}", otherwise.top_p));
  repeat("truncation", "\"disabled\"");
  repeat("user", "null");
  if (!options_.service_tier.empty()) append_member(out, "service_tier", options_.service_tier);
  const Totals all = totals();
  out += usage ? fmt::format(
                     ",\"usage\":{{\"input_tokens\":{},\"input_tokens_details\":"
                     "{{\"cached_tokens\":{}}},\"output_tokens\":{},"
                     "\"output_tokens_details\":{{\"reasoning_tokens\":{}}},"
                     "\"total_tokens\":{}}}",
                     all.prompt_tokens, all.cached_tokens, all.completion_tokens,
                     all.reasoning_tokens, all.prompt_tokens + all.completion_tokens)
               : ",\"usage\":null";
  append_explain(out, explain);
  out += '}';
  return out;
}

std::string ResponseBase::item_id(std::string_view prefix, size_t index) const {
  return fmt::format("{}{}{:02x}", prefix, name_.id(""), index);
}

std::string ResponseBase::reasoning_item(std::string_view text, size_t index, bool done) const {
  return fmt::format(
      "{{\"id\":\"{}\",\"type\":\"reasoning\",\"summary\":[],\"content\":[{}],\"status\":\"{}\"}}",
      item_id("rs_", index), done ? reasoning_text(text) : "", done ? "completed" : "in_progress");
}

std::string ResponseBase::message_item(std::string_view text, std::string_view logprobs,
                                       size_t index, bool done) const {
  return fmt::format(
      "{{\"id\":\"{}\",\"type\":\"message\",\"status\":\"{}\",\"role\":\"assistant\","
      "\"content\":[{}]}}",
      item_id("msg_", index), done ? "completed" : "in_progress",
      done ? output_text(text, logprobs) : "");
}

std::string ResponseBase::call_item(const ToolCall& call, uint32_t number, size_t index,
                                    std::string_view status) const {
  std::string out =
      fmt::format("{{\"id\":\"{}\",\"type\":\"function_call\",\"status\":\"{}\",\"call_id\":\"{}\"",
                  item_id("fc_", index), status, name_.call_id(0, number));
  append_member(out, "name", call.name);
  append_member(out, "arguments", call.arguments);
  return out + '}';
}

// ---- whole --------------------------------------------------------------------------------------

void WholeResponse::tokens(size_t prompt, std::span<const TokenEvent> events, std::string&) {
  for (const auto& event : events) {
    Choice& choice = read(index_of(prompt, event), event);
    for (const auto& said : choice.events) choice.text.add(said);
  }
}

void WholeResponse::finish(uint64_t cached_tokens, std::string_view explain, std::string& out) {
  cached_tokens_ = cached_tokens;
  const Choice& choice = choices_.front();
  size_t at = 0;
  if (options_.include_reasoning && !choice.text.reasoning.empty()) {
    add_item(item_id("rs_", at), reasoning_item(choice.text.reasoning, at, true));
    ++at;
  }
  if (!choice.text.content.empty() || choice.text.calls.empty()) {
    add_item(item_id("msg_", at),
             message_item(choice.text.content, choice.parts.chat_logprobs, at, true));
    ++at;
  }
  for (uint32_t i = 0; i < choice.text.calls.size(); ++i, ++at) {
    add_item(item_id("fc_", at), call_item(choice.text.calls[i], i, at, "completed"));
  }
  out += response(status(), true, nullptr, explain);
}

void WholeResponse::fail(const ApiError& error, std::string& out) { out += error_json(error); }

// ---- stream -------------------------------------------------------------------------------------

void ResponsesStream::emit(std::string_view type, std::string_view members, std::string& out) {
  out += fmt::format("event: {}\n", type);
  append_event(out, fmt::format("{{\"type\":\"{}\",\"sequence_number\":{},{}}}", type, sequence_++,
                                members));
}

void ResponsesStream::begin(std::string& out) {
  begun_ = true;
  const std::string member = "\"response\":" + response("in_progress", false, nullptr, "");
  emit("response.created", member, out);
  emit("response.in_progress", member, out);
}

std::string ResponsesStream::open_id() const {
  const std::string_view prefix = item_ == Item::reasoning ? "rs_"
                                  : item_ == Item::message ? "msg_"
                                                           : "fc_";
  return item_id(prefix, index());
}

std::string ResponsesStream::place() const {
  std::string out = fmt::format("\"item_id\":\"{}\",\"output_index\":{}", open_id(), index());
  if (item_ != Item::call) out += ",\"content_index\":0";
  return out;
}

std::string ResponsesStream::part() const {
  return item_ == Item::reasoning ? reasoning_text(text_) : output_text(text_, logprobs_);
}

void ResponsesStream::open(Item item, std::string& out) {
  if (item_ == item && item != Item::call) return;
  close(out);
  item_ = item;
  text_.clear();
  logprobs_.clear();
  const std::string json = item == Item::reasoning ? reasoning_item("", index(), false)
                           : item == Item::message
                               ? message_item("", "", index(), false)
                               : call_item(call_, call_number_, index(), "in_progress");
  emit("response.output_item.added", fmt::format("\"output_index\":{},\"item\":{}", index(), json),
       out);
  if (item == Item::call) return;
  emit("response.content_part.added", place() + ",\"part\":" + part(), out);
}

void ResponsesStream::close(std::string& out) {
  if (item_ == Item::none) return;
  std::string json, done = place();
  if (item_ == Item::call) {
    json = call_item(call_, call_number_, index(), "completed");
    append_member(done, "name", call_.name);
    append_member(done, "arguments", call_.arguments);
    emit("response.function_call_arguments.done", done, out);
    ++call_number_;
  } else {
    const bool reasoning = item_ == Item::reasoning;
    json = reasoning ? reasoning_item(text_, index(), true)
                     : message_item(text_, logprobs_, index(), true);
    append_member(done, "text", text_);
    if (!reasoning) done += fmt::format(",\"logprobs\":[{}]", logprobs_);
    emit(reasoning ? "response.reasoning_text.done" : "response.output_text.done", done, out);
    emit("response.content_part.done", place() + ",\"part\":" + part(), out);
  }
  emit("response.output_item.done", fmt::format("\"output_index\":{},\"item\":{}", index(), json),
       out);
  add_item(open_id(), std::move(json));
  item_ = Item::none;
}

// What was told can't be taken back: the item ends unfinished, and the output is without it.
void ResponsesStream::close_broken(std::string& out) {
  emit("response.output_item.done",
       fmt::format("\"output_index\":{},\"item\":{}", index(),
                   call_item(call_, call_number_, index(), "incomplete")),
       out);
  ++call_number_;
  ++broken_;
  item_ = Item::none;
}

void ResponsesStream::delta(std::string_view type, std::string_view text, std::string& out) {
  std::string members = place();
  append_member(members, "delta", text);
  if (item_ == Item::message) {
    members += fmt::format(",\"logprobs\":[{}]", pending_logprobs_);
    if (!logprobs_.empty() && !pending_logprobs_.empty()) logprobs_ += ',';
    logprobs_ += pending_logprobs_;
    pending_logprobs_.clear();
  }
  emit(type, members, out);
  text_ += text;
}

void ResponsesStream::say(const OutputEvent& event, std::string& out) {
  switch (event.kind) {
    case Kind::reasoning:
      if (!options_.include_reasoning) return;
      open(Item::reasoning, out);
      return delta("response.reasoning_text.delta", event.text, out);
    case Kind::content:
      open(Item::message, out);
      return delta("response.output_text.delta", event.text, out);
    case Kind::call:
      close(out);
      call_ = {event.text, {}};
      return open(Item::call, out);
    case Kind::arguments:
      call_.arguments += event.text;
      return delta("response.function_call_arguments.delta", event.text, out);
    case Kind::call_end:
      return close(out);
    case Kind::call_broken:
      close_broken(out);
      open(Item::message, out);
      return delta("response.output_text.delta", event.text, out);
  }
}

void ResponsesStream::tokens(size_t prompt, std::span<const TokenEvent> events, std::string& out) {
  if (!begun_) begin(out);
  for (const auto& event : events) {
    Choice& choice = read(index_of(prompt, event), event);
    pending_logprobs_ = choice.parts.chat_logprobs;
    for (const auto& said : choice.events) say(said, out);
    if (!event.finish) choice.parts.clear();
  }
}

void ResponsesStream::finish(uint64_t cached_tokens, std::string_view explain, std::string& out) {
  cached_tokens_ = cached_tokens;
  if (!begun_) begin(out);
  if (item_count() == 0) open(Item::message, out);  // an empty answer is one too
  close(out);
  const std::string ended = status();
  emit("response." + ended, "\"response\":" + response(ended, true, nullptr, explain), out);
}

// Some clients look at the one, some at the other.
void ResponsesStream::fail(const ApiError& error, std::string& out) {
  if (!begun_) begin(out);
  emit("response.failed", "\"response\":" + response("failed", false, &error, ""), out);
  std::string members = "\"code\":";
  append_json_string(members, error.code);
  append_member(members, "message", error.message);
  members += ",\"param\":null,";
  const std::string inner = error_json(error);
  members += std::string_view(inner).substr(1, inner.size() - 2);  // its "error" as one more
  emit("error", members, out);
}

}  // namespace baton::server::api
