// OutputParser: one choice's tokens as what they mean: reasoning, content, calls of tools.
//
// Reasoning and calls are told from content by token id, never by spelling. Newlines around
// reasoning belong to nobody: they are left out at its begin and its end, and at the begin of the
// content behind it. Any split of the text over tokens gives the same events, put together.
// Memory: the text of one call. Thread safety: values; rules and model must outlive it.
#pragma once

#include <span>

#include "proto/request.h"
#include "server/api/output/tool_parser.h"
#include "server/api/text_model.h"

namespace baton::server::api {

// How the answers to one prompt are to be understood.
struct OutputRules {
  bool splits_reasoning = false;
  bool parses_calls = false;
  bool begins_reasoning = false;    // the prompt has opened it
  std::vector<std::string> tools;   // names
  std::vector<TokenId> call_begun;  // what the prompt has said of a call already
};

// The same, for decode: which tokens are no text.
PartParams parts_of(const OutputRules& rules, const SpecialTokens& special,
                    std::optional<uint32_t> reasoning_max);

class OutputParser {
 public:
  OutputParser(const OutputRules& rules, const TextModel& model);

  // The events of one token; `last`: the choice ends with it.
  void push(TokenId token, std::string_view text, bool last, std::vector<OutputEvent>& events);

  uint32_t reasoning_tokens() const { return reasoning_tokens_; }
  // At least one call is whole.
  bool called() const { return calls_.whole_calls() > 0; }

 private:
  void say(std::string_view text, std::vector<OutputEvent>& events);
  void say_part(std::string_view text, std::vector<OutputEvent>& events);
  bool marker(TokenId token, std::vector<OutputEvent>& events);
  std::optional<ToolMarker> tool_marker(TokenId token) const;

  const OutputRules* rules_;
  const TextModel* model_;
  ToolParser calls_;
  bool reasons_ = false;
  bool at_begin_ = false;             // of reasoning or of what follows it: newlines are left out
  std::string held_;                  // newlines of reasoning that may be its last
  std::vector<OutputEvent> pending_;  // what the prompt has begun, told with the first token
  uint32_t reasoning_tokens_ = 0;
};

}  // namespace baton::server::api
