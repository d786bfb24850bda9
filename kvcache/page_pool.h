// PagePool: the accounts of a pool of pages; it never touches their bytes.
//
// A page is free, reserved (promised to a session, nothing landed), filling (being written by a
// session or by a prefill), in use (complete: read by running requests, counted by references) or
// cached (complete, read by nobody, kept for reuse; prefix/prefix_cache.h says which and how long).
// Invariants: free + reserved + filling + in_use + cached = total; a page has references if and
// only if it is neither free nor cached; a page's epoch grows by one each time it leaves the free
// state, so that a name (page, epoch) does not return until 2^32 allocations of that page later.
// Pure: no clock, thread or chance. Thread safety: its owner's thread only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "proto/cluster.h"
#include "proto/handoff.h"

namespace baton::kvcache {

enum class PageState : uint8_t { free, reserved, filling, in_use, cached };
const char* to_string(PageState state);

class PagePool {
 public:
  explicit PagePool(uint32_t pages);

  // All or nothing: `count` pages in `state` (reserved, filling or in_use), one reference each.
  std::optional<std::vector<ReservedPage>> allocate(uint32_t count, PageState state);

  // reserved -> filling -> in_use; anything else is a broken invariant.
  void advance(PageId page, PageState to);

  void add_reference(PageId page);  // in_use only: a fork shares it
  void release(PageId page);        // drops a reference; the last one frees it
  void keep(PageId page);           // drops the last reference of a page in use: it is cached
  void reuse(PageId page);          // a cached page is in use again, with one reference
  void evict(PageId page);          // a cached page is free

  PageState state(PageId page) const { return at(page).state; }
  Epoch epoch(PageId page) const { return at(page).epoch; }
  uint32_t references(PageId page) const { return at(page).references; }
  const PageCounts& counts() const { return counts_; }

 private:
  struct Page {
    PageState state = PageState::free;
    uint32_t references = 0;
    Epoch epoch{0};
  };
  Page& at(PageId page);
  const Page& at(PageId page) const;
  uint32_t& counter(PageState state);
  void move(Page& page, PageState to);

  std::vector<Page> pages_;
  std::vector<PageId> free_;  // last in, first out: warm memory first
  PageCounts counts_;

  friend std::optional<std::string> broken_invariant(const PagePool& pool);  // invariants.h
};

}  // namespace baton::kvcache
