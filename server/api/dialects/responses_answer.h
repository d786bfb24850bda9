// Answers of /v1/responses: output items of reasoning, of text, and of calls (README, "Streams").
// Thread safety: one object, one thread.
#pragma once

#include "server/api/answer/answer.h"

namespace baton::server::api {

// The response as a whole, in whatever state it is.
class ResponseBase : public AnswerBase {
 public:
  ResponseBase(const Prepared& prepared, const TextModel& model, const AnswerName& name);
  std::vector<std::pair<std::string, std::string>> items() const override { return items_done_; }

 protected:
  // One more finished item of the output.
  void add_item(const std::string& id, std::string json);
  std::string output() const;  // all of them, joined
  size_t item_count() const { return items_done_.size(); }

  // `usage`: whether it is known.
  std::string response(std::string_view status, bool usage, const ApiError* error,
                       std::string_view explain) const;
  std::string status() const;  // of a finished one: "completed" or "incomplete"

  std::string item_id(std::string_view prefix, size_t index) const;
  std::string reasoning_item(std::string_view text, size_t index, bool done) const;
  std::string message_item(std::string_view text, std::string_view logprobs, size_t index,
                           bool done) const;
  std::string call_item(const ToolCall& call, uint32_t number, size_t index,
                        std::string_view status) const;

 private:
  const Json repeated_;
  std::vector<std::pair<std::string, std::string>> items_done_;
};

class WholeResponse final : public ResponseBase {
 public:
  using ResponseBase::ResponseBase;
  void tokens(size_t prompt, std::span<const TokenEvent> events, std::string& out) override;
  void finish(uint64_t cached_tokens, std::string_view explain, std::string& out) override;
  void fail(const ApiError& error, std::string& out) override;
};

class ResponsesStream final : public ResponseBase {
 public:
  using ResponseBase::ResponseBase;
  void tokens(size_t prompt, std::span<const TokenEvent> events, std::string& out) override;
  void finish(uint64_t cached_tokens, std::string_view explain, std::string& out) override;
  void fail(const ApiError& error, std::string& out) override;

 private:
  enum class Item : uint8_t { none, reasoning, message, call };

  void begin(std::string& out);
  void open(Item item, std::string& out);
  void close(std::string& out);
  void close_broken(std::string& out);  // a call that is none
  void say(const OutputEvent& event, std::string& out);
  void delta(std::string_view type, std::string_view text, std::string& out);
  // One event: its type, its number, and further members.
  void emit(std::string_view type, std::string_view members, std::string& out);
  size_t index() const { return item_count() + broken_; }  // of the open item
  std::string open_id() const;                             // the same
  std::string place() const;                               // which item, and which part of it
  std::string part() const;                                // of the open item, as it is

  bool begun_ = false;
  uint64_t sequence_ = 0;
  Item item_ = Item::none;
  std::string text_;  // of the open item
  ToolCall call_;     // the open item
  uint32_t call_number_ = 0;
  size_t broken_ = 0;             // items that were told and don't belong to the output
  std::string logprobs_;          // items of the open message
  std::string pending_logprobs_;  // of the last token
};

}  // namespace baton::server::api
