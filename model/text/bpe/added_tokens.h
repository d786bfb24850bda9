// AddedTokens: finds the added tokens (special ones and others) in a text, before anything else is
// done with it.
//
// As the reference tokenizer: leftmost, of several the longest; tokens that are not `normalized`
// first, the others in what is left. A token counts only where the whole of it is trusted text; no
// other part of a text is changed by that. lstrip and rstrip take white space beside the token,
// single_word wants none of its neighbours to be a word character. Cost: linear in the text, times
// the longest token. Thread safety: const after it is filled.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/token.h"

namespace baton::text::bpe {

struct AddedToken {
  TokenId id = 0;
  std::string content;
  bool special = false;
  bool normalized = false;
  bool lstrip = false;
  bool rstrip = false;
  bool single_word = false;
};

// A stretch of text: an added token, or text between added tokens.
struct Stretch {
  size_t begin = 0;
  size_t end = 0;
  const AddedToken* token = nullptr;
};

// Ascending, disjoint, not adjacent.
struct TrustedRange {
  size_t begin = 0;
  size_t end = 0;
};

class AddedTokens {
 public:
  static constexpr size_t content_bytes_max = 512;

  // Refused if a token is empty or longer than content_bytes_max.
  static Result<AddedTokens> build(std::vector<AddedToken> tokens);

  // Covers the text, in order; no stretch is empty.
  std::vector<Stretch> split(std::string_view text, const std::vector<TrustedRange>& trusted) const;
  const std::vector<AddedToken>& tokens() const { return tokens_; }

 private:
  struct Node {
    std::vector<std::pair<uint8_t, uint32_t>> children;
    int32_t token = -1;  // index of the token that ends here
  };
  struct Trie {
    std::vector<Node> nodes{1};
    std::vector<bool> first = std::vector<bool>(256);  // bytes that begin a token

    void insert(std::string_view content, int32_t token);
    // The longest token at the beginning of `text`, or -1.
    int32_t longest(std::string_view text) const;
  };

  void cut(const Trie& trie, std::string_view text, const std::vector<TrustedRange>& trusted,
           Stretch plain, std::vector<Stretch>& out) const;

  std::vector<AddedToken> tokens_;
  Trie raw_;  // not normalized
  Trie normalized_;
};

}  // namespace baton::text::bpe
