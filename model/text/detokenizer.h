// Detokenizer: the text of a growing sequence of tokens, as soon as it is certain.
//
// push returns text that nothing later can change; a character split over tokens comes with its
// last byte. All texts together, flush included, equal Tokenizer::decode of all ids.
// Pure and copyable: it may live inside a state machine. The tokenizer must outlive it.
// Thread safety: one object, one thread.
#pragma once

#include <string>

#include "base/token.h"
#include "model/text/tokenizer.h"

namespace baton::text {

class Detokenizer {
 public:
  explicit Detokenizer(const Tokenizer& tokenizer, bool skip_special = true)
      : tokenizer_(&tokenizer), skip_special_(skip_special) {}

  std::string push(TokenId id);
  // What is still held back, as U+FFFD: the sequence has ended.
  std::string flush();
  // At most three bytes: the beginning of a character.
  const std::string& held() const { return held_; }

 private:
  const Tokenizer* tokenizer_;
  bool skip_special_;
  std::string held_;
};

}  // namespace baton::text
