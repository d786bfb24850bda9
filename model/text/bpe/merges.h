// Merges: byte-pair encoding of one piece: the pair of lowest rank, leftmost first, is joined until
// no known pair is left.
//
// Short pieces are scanned, long ones use a heap: O(n log n) whatever the bytes are.
// Thread safety: const after it is filled.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/token.h"

namespace baton::text::bpe {

class Merges {
 public:
  struct Rule {
    uint32_t rank;  // none: UINT32_MAX
    TokenId joined;
  };

  void reserve(size_t count);
  // A pair that is known already keeps its first rule.
  void add(TokenId left, TokenId right, Rule rule);
  size_t size() const { return count_; }

  Rule find(TokenId left, TokenId right) const;
  // Joins the symbols of one piece and appends the tokens that remain.
  void encode(std::span<const TokenId> symbols, std::vector<TokenId>& out) const;

 private:
  struct Slot {
    uint64_t pair = UINT64_MAX;  // left * 2^32 + right
    Rule rule{UINT32_MAX, 0};
  };

  size_t home(uint64_t pair) const { return (pair * 0x9E3779B97F4A7C15u) >> shift_; }
  void encode_short(std::span<const TokenId> symbols, std::vector<TokenId>& out) const;
  void encode_long(std::span<const TokenId> symbols, std::vector<TokenId>& out) const;

  std::vector<Slot> slots_;  // open addressing, a power of two, at most half full
  int shift_ = 64;
  size_t count_ = 0;
};

}  // namespace baton::text::bpe
