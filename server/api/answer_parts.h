// The parts of answers: log-probabilities in both shapes, token ids, digests, usage, finish.
//
// ChoiceParts gathers one choice: over the whole answer, or over one event of a stream.
// Thread safety: values.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/api/prepare.h"

namespace baton::server::api {

// What of a request decides how its answer looks.
struct AnswerOptions {
  bool chat = false;
  bool logprobs = false;
  bool token_ids = false;
  bool tokens_as_ids = false;
  bool digests = false;
  bool stop_reason = false;
  uint32_t choices = 1;
  uint32_t prompts = 1;
  std::vector<TokenId> stop_tokens;
  std::vector<std::vector<TokenId>> prompt_ids;  // if token_ids
  std::vector<std::string> echoes;

  static AnswerOptions of(const Prepared& prepared);
};

struct ChoiceParts {
  bool begun = false;  // an event of it was written
  std::string text;
  std::string chat_logprobs;                                  // items of "content"
  std::string tokens, token_logprobs, top_logprobs, offsets;  // items of a text completion's
  uint64_t offset = 0;                                        // characters of text so far
  std::string ids, digests;                                   // items
  std::string finish;                                         // "stop" or empty
  std::string stop_reason;                                    // a JSON value, or empty

  void add(const TokenEvent& event, const AnswerOptions& options, const TextModel& model);
  void clear();  // for the next event of the stream; keeps `begun` and `offset`
};

// Members of a choice, each with its comma in front.
void append_logprobs(std::string& out, const ChoiceParts& parts, const AnswerOptions& options);
void append_finish(std::string& out, const ChoiceParts& parts, const AnswerOptions& options);
void append_extras(std::string& out, const ChoiceParts& parts, const AnswerOptions& options);

std::string ids_json(const std::vector<TokenId>& ids);
std::string usage_json(uint64_t prompt_tokens, uint64_t completion_tokens, uint64_t cached_tokens);
uint64_t characters(std::string_view utf8);

}  // namespace baton::server::api
