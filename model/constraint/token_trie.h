// TokenTrie: a vocabulary as a tree of bytes, laid out in the order of a walk through it.
//
// Tokens without bytes, and special ones, are left out by giving them none: they match no text. A
// walk is one pass over an array; a subtree is left by a jump. Cost: building sorts the tokens;
// memory is 16 bytes a node, about three nodes a token. Thread safety: const after build.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/token.h"

namespace baton::constraint {

// Kinds of bytes: what a subtree holds, in short.
using ByteKinds = uint16_t;
constexpr ByteKinds kBeyondAscii = 1u << 14;  // only in whole characters
constexpr ByteKinds kBroken = 1u << 15;       // or a token ends inside of a character
ByteKinds kind_of(uint8_t byte);              // one bit; of ASCII below kBeyondAscii

class TokenTrie {
 public:
  static constexpr size_t kTokenBytesMax = 1024;  // a longer token matches nothing
  static constexpr uint16_t kUpToMax = 64;

  struct Node {
    uint32_t after = 0;  // the first node behind this one's subtree
    uint32_t first = 0;  // its tokens: tokens()[first .. first + count)
    uint8_t byte = 0;
    uint8_t count = 0;   // tokens that end here
    uint16_t depth = 0;  // bytes up to and with this one
    // What comes behind this node, on all ways: kinds of bytes, and at most so many characters.
    ByteKinds kinds = 0;
    uint16_t characters = 0;
  };

  // bytes[id]: of each token; empty for one that matches nothing. What they point to outlives it.
  explicit TokenTrie(std::vector<std::string_view> bytes);

  std::span<const Node> nodes() const { return nodes_; }
  std::span<const TokenId> tokens() const { return tokens_; }  // ascending by their bytes
  std::span<const TokenId> tokens(const Node& node) const {
    return std::span(tokens_).subspan(node.first, node.count);
  }
  // Characters that begin on the way to a node and with it.
  uint16_t characters_to(uint32_t node) const { return characters_[node]; }
  // The tokens in which at most so many characters begin, 1 to kUpToMax, by their bits: [words()].
  std::span<const uint64_t> up_to(uint16_t characters) const {
    return std::span(up_to_).subspan((characters - 1u) * words(), words());
  }
  std::string_view text(TokenId id) const { return id < bytes_.size() ? bytes_[id] : ""; }
  size_t vocabulary() const { return bytes_.size(); }  // ids, with and without bytes
  size_t words() const { return (bytes_.size() + 63) / 64; }
  size_t depth() const { return depth_; }  // bytes of the longest token
  size_t bytes() const;                    // of memory

 private:
  void summarise();

  std::vector<Node> nodes_;
  std::vector<TokenId> tokens_;
  std::vector<std::string_view> bytes_;
  std::vector<uint16_t> characters_;  // [nodes]
  std::vector<uint64_t> up_to_;       // [kUpToMax, words]
  size_t depth_ = 0;
};

}  // namespace baton::constraint
