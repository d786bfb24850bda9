// Answer: from the events of a request to the bytes of its answer, whole or as a stream, in the
// words of its dialect.
//
// Pure: it takes events and gives text. Choices of several prompts are numbered through:
// index = prompt * choices + choice. Thread safety: one object, one thread; the model must outlive
// it.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "server/api/answer/answer_parts.h"

namespace baton::server::api {

// What names an answer, drawn and read outside.
struct AnswerName {
  uint64_t high = 0, low = 0;  // chance
  int64_t created = 0;         // unix seconds
  std::string fingerprint;     // of what answers, for system_fingerprint; empty: not known
  std::string asked;           // the client's own; empty: it has none

  // "chatcmpl-" and 32 hexadecimal digits, or the client's own.
  std::string id(std::string_view prefix) const;
  std::string call_id(size_t choice, uint32_t call, std::string_view prefix = "call_") const;
};

class Answer {
 public:
  virtual ~Answer() = default;
  // Scores of a prompt, in order, before its tokens.
  virtual void scores(size_t prompt, const PromptScoreRun& run) = 0;
  // What can be sent now is appended to `out`: nothing of a whole answer.
  virtual void tokens(size_t prompt, std::span<const TokenEvent> events, std::string& out) = 0;
  // The rest; all of a whole answer. `explain`: a JSON value, or empty.
  virtual void finish(uint64_t cached_tokens, std::string_view explain, std::string& out) = 0;
  // A stream that has begun says that it failed, then ends like any other.
  virtual void fail(const ApiError& error, std::string& out) = 0;
  // What of a finished answer may be referred to later: ids and items.
  virtual std::vector<std::pair<std::string, std::string>> items() const { return {}; }
};

std::unique_ptr<Answer> make_answer(const Prepared& prepared, const TextModel& model,
                                    const AnswerName& name);

// An error as clients of the dialect read it.
std::string error_json(const ApiError& error, Dialect dialect);

// What a choice has said, put together.
struct ToolCall {
  std::string name, arguments;
};
struct ChoiceText {
  std::string reasoning, content;
  std::vector<ToolCall> calls;
  void add(const OutputEvent& event);
};

// What answers of all dialects have in common.
class AnswerBase : public Answer {
 public:
  AnswerBase(const Prepared& prepared, const TextModel& model, const AnswerName& name);
  void scores(size_t prompt, const PromptScoreRun& run) override;

 protected:
  struct Choice {
    OutputParser parser;
    ChoiceParts parts;
    ChoiceText text;
    std::vector<OutputEvent> events;  // of the last token
  };
  size_t index_of(size_t prompt, const TokenEvent& event) const;
  // Understands the next token of a choice: its events and parts.
  Choice& read(size_t index, const TokenEvent& event);
  Totals totals() const;
  std::string finish_reason(const Choice& choice) const;  // as OpenAI's chats have it
  // "id", "object", "created", "model": the members that come first.
  std::string head(std::string_view prefix, std::string_view object) const;

  const AnswerOptions options_;
  const TextModel& model_;
  const AnswerName name_;
  std::vector<PromptParts> prompts_;
  std::vector<Choice> choices_;
  uint64_t completion_tokens_ = 0;
  uint64_t cached_tokens_ = 0;
};

}  // namespace baton::server::api
