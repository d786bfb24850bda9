// PagePool: the accounts of a pool of pages; it never touches their bytes.
//
// A page is free, reserved (promised to a session, nothing landed), filling (being written by a
// session or by a prefill), in use (read by running requests, counted by references) or cached.
// Invariants: free + reserved + filling + in_use + cached = total; a page's epoch grows by one each
// time it leaves the free state, so that a name (page, epoch) is never used twice (2^32 times).
// Pure: no clock, thread or chance. Thread safety: its owner's thread only.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "proto/cluster.h"
#include "proto/handoff.h"

namespace baton::kvcache {

enum class PageState : uint8_t { free, reserved, filling, in_use, cached };

class PagePool {
 public:
  explicit PagePool(uint32_t pages);

  // All or nothing: `count` pages in `state` (reserved, filling or in_use, with one reference).
  std::optional<std::vector<ReservedPage>> allocate(uint32_t count, PageState state);

  // reserved -> filling -> in_use; anything else is a broken invariant.
  void advance(PageId page, PageState to);

  void add_reference(PageId page);  // in_use only: a fork shares it
  void release(PageId page);        // drops a reference; the last one frees it. Any state but free

  PageState state(PageId page) const { return pages_[page.value].state; }
  Epoch epoch(PageId page) const { return pages_[page.value].epoch; }
  uint32_t references(PageId page) const { return pages_[page.value].references; }
  const PageCounts& counts() const { return counts_; }

 private:
  struct Page {
    PageState state = PageState::free;
    uint32_t references = 0;
    Epoch epoch{0};
  };
  uint32_t& counter(PageState state);

  std::vector<Page> pages_;
  std::vector<PageId> free_;  // last in, first out: warm memory first
  PageCounts counts_;

  friend std::optional<std::string> broken_invariant(const PagePool& pool);
};

// Recounts everything: a sentence if the accounts don't agree. For tests, simulation, idle moments.
std::optional<std::string> broken_invariant(const PagePool& pool);

}  // namespace baton::kvcache
