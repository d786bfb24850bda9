// The parts of answers: log-probabilities in both shapes, token ids, digests, usage, finish.
//
// ChoiceParts gathers one choice: over the whole answer, or over one event of a stream. PromptParts
// is what the scores of a prompt add to each of its choices. Thread safety: values.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/api/prompt/prepare.h"

namespace baton::server::api {

// What of a request decides how its answer looks.
struct AnswerOptions {
  bool chat = false;
  bool logprobs = false;
  bool token_ids = false;
  bool tokens_as_ids = false;
  bool digests = false;
  bool stop_reason = false;
  bool include_reasoning = true;
  bool include_usage = false;
  bool continuous_usage = false;
  bool echo_logprobs = false;    // the prompt's in front of the answer's
  bool prompt_logprobs = false;  // the prompt's by themselves
  bool skip_special_tokens = true;
  bool scores_only = false;  // no tokens are generated
  uint32_t choices = 1;
  uint32_t prompts = 1;
  uint64_t prompt_tokens = 0;  // of all prompts
  std::vector<TokenId> stop_tokens;
  std::vector<std::vector<TokenId>> prompt_ids;  // if anything of them is told
  std::vector<std::string> echoes;
  OutputRules rules;
  std::string service_tier;

  static AnswerOptions of(const Prepared& prepared);
};

// Log-probabilities of a text completion: items of four lists.
struct TextLogprobs {
  std::string tokens, token_logprobs, top_logprobs, offsets;
  uint64_t offset = 0;  // characters of text so far

  // `logprob`: nothing for a prompt's first token.
  void add(TokenId token, std::optional<float> logprob, const std::vector<TokenLogprob>& top,
           const AnswerOptions& options, const TextModel& model);
  void clear();  // keeps `offset`
};

struct ChoiceParts {
  bool begun = false;  // an event of it was written
  bool added = false;  // anything below, since it was cleared
  std::string text;
  std::string chat_logprobs;  // items of "content"
  TextLogprobs text_logprobs;
  std::string ids, digests;  // items
  std::string finish;        // "stop", "length" or empty
  std::string stop_reason;   // a JSON value, or empty
  std::string stop_string;   // the one that ended it

  void add(const TokenEvent& event, const AnswerOptions& options, const TextModel& model);
  void clear();  // for the next event of the stream; keeps `begun` and the offset
};

struct PromptParts {
  TextLogprobs echoed;
  std::string scores;  // items of "prompt_logprobs"

  void begin(size_t prompt, const AnswerOptions& options, const TextModel& model);
  void add(const PromptScoreRun& run, const AnswerOptions& options, const TextModel& model);
};

// Members of a choice, each with its comma in front.
void append_logprobs(std::string& out, const ChoiceParts& parts, const AnswerOptions& options);
void append_finish(std::string& out, const ChoiceParts& parts, const AnswerOptions& options);
void append_extras(std::string& out, const ChoiceParts& parts, const AnswerOptions& options);

// A member of an answer, or nothing.
void append_explain(std::string& out, std::string_view explain);

struct Totals {
  uint64_t prompt_tokens = 0;
  uint64_t completion_tokens = 0;
  uint64_t cached_tokens = 0;
  uint64_t reasoning_tokens = 0;
};
std::string usage_json(const Totals& totals);

std::string ids_json(const std::vector<TokenId>& ids);
uint64_t characters(std::string_view utf8);

}  // namespace baton::server::api
