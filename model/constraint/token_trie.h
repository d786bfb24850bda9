// TokenTrie: a vocabulary as a tree of bytes, laid out in the order of a walk through it.
//
// Tokens without bytes, and special ones, are left out by giving them none: they match no text. A
// walk is one pass over an array; a subtree is left by a jump. Cost: building sorts the tokens;
// memory is 12 bytes a node, about three nodes a token. Thread safety: const after build.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/token.h"

namespace baton::constraint {

class TokenTrie {
 public:
  static constexpr size_t kTokenBytesMax = 1024;  // a longer token matches nothing

  struct Node {
    uint32_t after = 0;  // the first node behind this one's subtree
    uint32_t first = 0;  // its tokens: tokens()[first .. first + count)
    uint8_t byte = 0;
    uint8_t count = 0;   // tokens that end here
    uint16_t depth = 0;  // bytes up to and with this one
  };

  // bytes[id]: of each token; empty for one that matches nothing. What they point to outlives it.
  explicit TokenTrie(std::vector<std::string_view> bytes);

  std::span<const Node> nodes() const { return nodes_; }
  std::span<const TokenId> tokens() const { return tokens_; }  // ascending by their bytes
  std::span<const TokenId> tokens(const Node& node) const {
    return std::span(tokens_).subspan(node.first, node.count);
  }
  std::string_view text(TokenId id) const { return id < bytes_.size() ? bytes_[id] : ""; }
  size_t vocabulary() const { return bytes_.size(); }  // ids, with and without bytes
  size_t words() const { return (bytes_.size() + 63) / 64; }
  size_t depth() const { return depth_; }  // bytes of the longest token
  size_t bytes() const;                    // of memory

 private:
  std::vector<Node> nodes_;
  std::vector<TokenId> tokens_;
  std::vector<std::string_view> bytes_;
  size_t depth_ = 0;
};

}  // namespace baton::constraint
