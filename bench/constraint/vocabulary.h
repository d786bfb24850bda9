// A vocabulary like a large model's, made from a seed: every byte, numbers of up to three digits,
// words with and without a space before them, runs of punctuation and white space, Han characters.
// Thread safety: values.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/token.h"

namespace baton::bench {

std::vector<std::string> make_vocabulary(size_t size);

// `text` as its longest tokens from the left: close enough to what a tokenizer gives.
class GreedyTokenizer {
 public:
  explicit GreedyTokenizer(const std::vector<std::string_view>& tokens);
  std::vector<TokenId> encode(std::string_view text) const;

 private:
  std::vector<std::pair<std::string_view, TokenId>> sorted_;
  size_t longest_ = 0;
};

}  // namespace baton::bench
