// OutputText: one choice's tokens as they become text, and the decision that the choice has ended.
//
// The events are a function of the tokens and the request alone: pushing the same tokens again, as
// a replay does, gives the same texts. Text that may still turn out to be part of a character or of
// a stop string is held back and comes with a later event, at the latest with the one that ends the
// choice. A marker (PartParams) is no text itself: what was held back before it comes with it, and
// stop strings are looked for in content only. What ends a choice is no text either, unless the
// request wants its stop strings and tokens; the model's own end never is. Thread safety: its
// owner's; the tokenizer must outlive it.
#pragma once

#include <cstdint>
#include <vector>

#include "decode/part_tracker.h"
#include "model/text/detokenizer.h"
#include "model/text/stop_strings.h"
#include "proto/request.h"

namespace baton::decode {

class OutputText {
 public:
  // `end_tokens` are the model's own; the request may ignore them and may add others.
  OutputText(const text::Tokenizer& tokenizer, const RequestState& request, ChoiceIndex choice,
             const std::vector<TokenId>& end_tokens);

  // The next token's event: choice, index, token, text, and how the choice ended if it did.
  TokenEvent push(TokenId token);

  bool finished() const { return finished_; }
  uint32_t tokens() const { return tokens_; }
  const PartTracker& parts() const { return parts_; }
  const std::vector<TokenId>& stop_tokens() const { return stop_tokens_; }  // masked by min_tokens

 private:
  void say(TokenEvent& event, std::string text);
  void finish(TokenEvent& event, FinishReason reason);
  void end_part(TokenEvent& event);

  text::Detokenizer detokenizer_;
  text::StopStrings stops_;
  PartTracker parts_;
  std::vector<std::string> strings_;
  std::vector<TokenId> stop_tokens_;
  std::vector<TokenId> said_stop_tokens_;  // those that are text; ascending
  ChoiceIndex choice_ = 0;
  uint32_t min_tokens_ = 0;
  uint32_t max_tokens_ = 0;
  uint32_t tokens_ = 0;
  bool finished_ = false;
};

}  // namespace baton::decode
