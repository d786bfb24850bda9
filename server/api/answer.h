// Answers: from token events to the JSON of a whole answer or to the events of a stream, in the
// order and shape that clients depend on (README, "What clients need").
//
// Both are pure: they take events and give text. Choices of several prompts are numbered through:
// index = prompt * choices + choice. Thread safety: one object, one thread.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "server/api/answer_parts.h"
#include "server/api/prepare.h"

namespace baton::server::api {

// What all parts of one answer share.
struct AnswerShape {
  std::string id;       // "chatcmpl-..." or "cmpl-..."
  int64_t created = 0;  // unix seconds
  bool include_usage = false;
  std::string head;  // the members up to "choices", for each object of the answer

  static AnswerShape of(const Prepared& prepared, const ModelFacts& model, std::string id,
                        int64_t created);
};

struct Totals {
  uint64_t prompt_tokens = 0;
  uint64_t completion_tokens = 0;
  uint64_t cached_tokens = 0;
};

// The answer as one JSON object. Memory: the answer's size.
class WholeAnswer {
 public:
  WholeAnswer(AnswerShape shape, const Prepared& prepared, const TextModel& model);
  void tokens(size_t prompt, std::span<const TokenEvent> events);
  // `explain`: a JSON value, or empty.
  std::string finish(const Totals& totals, std::string_view explain) const;

 private:
  void append_choice(std::string& out, size_t index) const;

  AnswerShape shape_;
  AnswerOptions options_;
  const TextModel& model_;
  std::vector<ChoiceParts> choices_;
};

// The answer as server-sent events. Memory: a few words a choice.
class StreamAnswer {
 public:
  StreamAnswer(AnswerShape shape, const Prepared& prepared, const TextModel& model);
  void tokens(size_t prompt, std::span<const TokenEvent> events, std::string& out);
  void finish(const Totals& totals, std::string_view explain, std::string& out);
  // A failed stream says so, then ends like any other.
  static void fail(const ApiError& error, std::string& out);

 private:
  void chat_event(uint32_t index, const TokenEvent& event, std::string& out);
  void text_event(uint32_t index, const TokenEvent& event, std::string& out);
  void choice_event(uint32_t index, std::string_view body, std::string& out);

  AnswerShape shape_;
  AnswerOptions options_;
  const TextModel& model_;
  std::vector<ChoiceParts> choices_;
  std::string body_, json_;  // reused
};

}  // namespace baton::server::api
