// Vocabulary: the bytes of every token, by id, and the id of given bytes.
//
// Ids may have gaps: an id without a token has no bytes and is not found. Two ids may have the same
// bytes; the one added first is found. Added tokens have bytes but are never found here, so that
// text can't become one by being looked up. Thread safety: const after it is filled.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/token.h"

namespace baton::text::bpe {

class Vocabulary {
 public:
  // Far above any published vocabulary; bounds the memory that a file can ask for.
  static constexpr TokenId id_max = (1u << 24) - 1;

  // Room for `count` tokens, so that adding them does not rebuild the index.
  void reserve(size_t count);
  // False if the id is above id_max or has a token already.
  bool add(TokenId id, std::string_view bytes, bool findable = true);

  size_t size() const { return entries_.size(); }  // the highest id with a token, plus one
  bool has(TokenId id) const { return id < entries_.size() && entries_[id].present; }
  std::string_view bytes(TokenId id) const;
  std::optional<TokenId> find(std::string_view bytes) const;

 private:
  struct Entry {
    uint32_t offset = 0;
    uint32_t length = 0;
    bool present = false;
    bool findable = false;
  };

  struct Slot {
    uint32_t next_id = 0;  // id + 1; 0: empty
    uint32_t tag = 0;      // upper half of the hash: spares most looks at the bytes
  };

  void grow(size_t slots);
  void index(TokenId id);

  std::string arena_;
  std::vector<Entry> entries_;
  std::vector<Slot> slots_;  // open addressing, a power of two, at most half full
  size_t count_ = 0;
};

}  // namespace baton::text::bpe
