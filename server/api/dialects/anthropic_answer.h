// Answers of Anthropic's /v1/messages: blocks of thinking, of text, and of calls (README,
// "Streams"). Thread safety: one object, one thread.
#pragma once

#include "server/api/answer/answer.h"

namespace baton::server::api {

// {"type": "error", "error": {"type", "message"}}
std::string anthropic_error_json(const ApiError& error);

class AnthropicBase : public AnswerBase {
 public:
  using AnswerBase::AnswerBase;

 protected:
  // The members of a message up to "content".
  std::string message_head() const;
  // "stop_reason" and "stop_sequence".
  std::string stop_members() const;
  std::string input_usage() const;
  std::string call_block(const ToolCall& call, uint32_t number) const;
};

class WholeAnthropic final : public AnthropicBase {
 public:
  using AnthropicBase::AnthropicBase;
  void tokens(size_t prompt, std::span<const TokenEvent> events, std::string& out) override;
  void finish(uint64_t cached_tokens, std::string_view explain, std::string& out) override;
  void fail(const ApiError& error, std::string& out) override;

 private:
  struct Block {
    OutputEvent::Kind kind;  // reasoning, content or call
    ToolCall call;           // of reasoning and content: the text, as arguments
    uint32_t number = 0;     // of the call
  };
  void add(const OutputEvent& event);

  std::vector<Block> blocks_;
};

class AnthropicStream final : public AnthropicBase {
 public:
  using AnthropicBase::AnthropicBase;
  void tokens(size_t prompt, std::span<const TokenEvent> events, std::string& out) override;
  void finish(uint64_t cached_tokens, std::string_view explain, std::string& out) override;
  void fail(const ApiError& error, std::string& out) override;

 private:
  enum class Block : uint8_t { none, thinking, text, call };

  void begin(std::string& out);
  void open(Block block, std::string_view start, std::string& out);
  void close(std::string& out);
  void say(const OutputEvent& event, std::string& out);
  void delta(std::string_view type, std::string_view member, std::string_view text,
             std::string& out);
  static void emit(std::string_view type, std::string_view members, std::string& out);

  bool begun_ = false;
  Block block_ = Block::none;
  size_t blocks_ = 0;  // closed
};

}  // namespace baton::server::api
