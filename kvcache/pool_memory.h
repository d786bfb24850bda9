// PoolMemory: the bytes of a pool: [page][layer][token 0..63][entry]. Private, or shared memory
// that peers on the same host map read-only to copy from.
//
// Only the owner process writes: compute threads into pages in the states filling and in_use (one
// row each, by one thread), the I/O thread into reserved and filling pages of a hand-off session.
// A page is never written by both. Thread safety: as said; the object itself never changes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/hash/digest.h"
#include "base/result.h"
#include "base/system/mapping.h"
#include "proto/ids.h"

namespace baton::kvcache {

struct PageFormat {
  uint32_t layers = 0;       // the MTP layer included
  uint32_t entry_bytes = 0;  // (kv_lora_rank + rope) * bytes of the mode's cache type
  // What create_* and peers accept: no size that a product of them could overflow.
  static constexpr uint32_t kLayersMax = 1024;
  static constexpr uint32_t kEntryBytesMax = 1 << 16;
  bool valid() const {
    return layers > 0 && layers <= kLayersMax && entry_bytes > 0 && entry_bytes <= kEntryBytesMax;
  }
  size_t block_bytes() const { return size_t{entry_bytes} * kPageTokens; }
  size_t page_bytes() const { return block_bytes() * layers; }
  friend bool operator==(const PageFormat&, const PageFormat&) = default;
};

class PoolMemory {
 public:
  // Errors: invalid_argument (a format or size that can't be), resource_exhausted (no memory).
  // The label is for people who look at the process; peers find the pool by shared_name().
  static Result<PoolMemory> create_private(PageFormat format, uint32_t pages);
  static Result<PoolMemory> create_shared(PageFormat format, uint32_t pages,
                                          const std::string& label);
  // The pool that another rank of this instance has created, to write to it as well.
  static Result<PoolMemory> join_shared(PageFormat format, uint32_t pages,
                                        const std::string& shared_name);

  const PageFormat& format() const { return format_; }
  uint32_t pages() const { return pages_; }
  std::span<const std::byte> bytes() const { return mapping_.bytes(); }
  size_t offset_of(PageId page, uint32_t layer) const;  // of the block, in bytes()
  const std::string& shared_name() const { return mapping_.shared_name(); }  // empty: private

  std::span<std::byte> block(PageId page, uint32_t layer);
  std::span<const std::byte> block(PageId page, uint32_t layer) const;
  // All blocks of a page, which lie one after the other.
  std::span<std::byte> page(PageId page);
  std::span<const std::byte> page(PageId page) const;
  std::byte* entry(PageId page, uint32_t layer, uint32_t token) {
    return block(page, layer).data() + size_t{token} * format_.entry_bytes;
  }
  const std::byte* entry(PageId page, uint32_t layer, uint32_t token) const {
    return block(page, layer).data() + size_t{token} * format_.entry_bytes;
  }

 private:
  PoolMemory(Mapping mapping, PageFormat format, uint32_t pages);

  Mapping mapping_;
  PageFormat format_;
  uint32_t pages_ = 0;
};

// Of a sequence of `tokens` entries: how many lie in its page number `page`.
inline constexpr uint32_t tokens_in_page(uint32_t tokens, uint32_t page) {
  const uint64_t before = uint64_t{page} * kPageTokens;
  if (before >= tokens) return 0;
  return tokens - before < kPageTokens ? static_cast<uint32_t>(tokens - before) : kPageTokens;
}

// Copies the first `tokens` tokens of a page, in every layer, to another page.
void copy_page(PoolMemory& memory, PageId from, PageId to, uint32_t tokens);

// The digest of the first `tokens` tokens of a page: over layer 0, 1, ..., each token by token. It
// does not depend on where the blocks lie, so that both ends of a hand-off can compute it.
Digest page_digest(const PoolMemory& memory, PageId page, uint32_t tokens);
// The same for each page of a sequence of `tokens` entries.
std::vector<Digest> page_digests(const PoolMemory& memory, std::span<const PageId> pages,
                                 uint32_t tokens);

}  // namespace baton::kvcache
