// PrefixCache: a pool of pages of which those nobody needs any more are kept, as long as there is
// room, for prompts that begin the same.
//
// It joins the accounts (PagePool) with the list (PrefixIndex): a complete page is published under
// its name while its owner still uses it; from then on it is read only, and others may take it by
// reference. When the last lets it go it is cached; allocate() evicts cached pages, those of the
// least worth first, when free ones run out. Whoever holds a page holds all the pages above it
// too, so every cached page can be had. A prefix may be pinned: it stays once it is there.
// Switched off it lists nothing, and is a pool. Invariants: a page is listed if and only if it is
// cached or in use and published; its pins in the index are its references in the pool.
// Pure. Thread safety: its owner's thread.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "kvcache/page_pool.h"
#include "kvcache/prefix/prefix_index.h"

namespace baton::kvcache {

struct PrefixCacheCounts {
  uint64_t queried_tokens = 0;  // entries that were looked for
  uint64_t hit_tokens = 0;      // and that were found
  uint64_t pages_published = 0;
  uint64_t pages_evicted = 0;
};

class PrefixCache {
 public:
  static constexpr uint32_t kPinnedShare = 2;  // pinned pages are one in so many at most

  PrefixCache(PrefixIndexOptions options, bool enabled);

  bool enabled() const { return enabled_; }
  const PagePool& pool() const { return pool_; }
  // For a receiver of hand-offs, which takes pages for its sessions there after make_room().
  PagePool& session_pool() { return pool_; }
  const PrefixIndex& index() const { return index_; }
  const PrefixCacheCounts& counts() const { return counts_; }

  // How long the longest known run of the names is, and how many of its pages nobody uses now:
  // taking these leaves so much less room.
  struct Known {
    uint32_t pages = 0;
    uint32_t idle = 0;
  };
  Known known(std::span<const PageName> names) const;
  // The longest known run of the names: one reference to each page, the caller's.
  std::vector<PageId> take(std::span<const PageName> names);
  // The longest known beginning of a page below `before`, which the caller holds: a reference.
  std::optional<PrefixIndex::Tail> take_tail(std::optional<PageId> before,
                                             const PageName& before_name,
                                             std::span<const TokenId> tokens);
  // What a prompt of so many entries has found: for the counts.
  void count(uint64_t queried_tokens, uint64_t hit_tokens);

  // So many pages could be allocated: those that are free, and cached ones, which give way.
  uint32_t room() const { return pool_.counts().free + pool_.counts().cached; }
  // Evicts until so many are free; false, and nothing is done, if there is no room.
  bool make_room(uint32_t count);
  // All or nothing, as PagePool::allocate; cached pages give way.
  std::optional<std::vector<ReservedPage>> allocate(uint32_t count, PageState state);
  void advance(PageId page, PageState to) { pool_.advance(page, to); }
  // A page in use, complete with `tokens` entries, is listed below `before` (which the caller
  // holds). If the name is listed already another page holds the same: that one is returned, with a
  // reference that the caller now has beside its own page; its later pages hang below it.
  std::optional<PageId> publish(const PageName& name, PageId page, std::optional<PageId> before,
                                uint32_t tokens);
  // One more reference to each: pages in use; of those that are listed the caller holds all above.
  void hold(std::span<const PageId> pages);
  // Drops one reference to each, from the last to the first.
  void release(std::span<const PageId> pages);

  // Keeps the prefix for good, whether used or not: what is known of it, and the rest once it is
  // published; as far as pages may be pinned.
  void pin(std::span<const PageName> names);
  // Pages that are kept so: a reference to each.
  const std::vector<PageId>& pinned() const { return pinned_; }

 private:
  void add_reference(PageId page);
  void pin_if_wanted(const PageName& name, PageId page);

  bool enabled_;
  PagePool pool_;
  PrefixIndex index_;
  uint32_t pinned_max_;
  std::map<PageName, bool> to_pin_;  // is it?
  std::vector<PageId> pinned_;       // a page comes after the one above it
  PrefixCacheCounts counts_;
};

// The pool's, the index's, and that they agree.
std::optional<std::string> broken_invariant(const PrefixCache& cache);

}  // namespace baton::kvcache
