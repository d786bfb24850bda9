// MemoryTier: pages in memory, within so many bytes; those of the least worth go when room is
// needed (prefix/eviction.h, `credit`).
//
// Invariants: the bytes of all pages are at most the limit; each page is rated once. Pure.
// Thread safety: its owner's thread.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>

#include "kvcache/prefix/eviction.h"
#include "kvcache/store/stored_page.h"

namespace baton::kvcache {

class MemoryTier {
 public:
  explicit MemoryTier(uint64_t bytes_max) : bytes_max_(bytes_max) {}

  bool holds(const PageName& name) const { return entries_.contains(name); }
  // A use of the page: it is worth more from now on.
  std::optional<StoredPage> get(const PageName& name);
  // Makes room for it. False if it is larger than all the room there is, or held already.
  bool put(const StoredPage& page);
  void erase(const PageName& name);

  size_t pages() const { return entries_.size(); }
  uint64_t bytes() const { return bytes_; }
  uint64_t evicted() const { return evicted_; }  // pages, ever

 private:
  struct Entry {
    StoredPage page;
    PageUse use;
    Worth worth;
  };
  using Map = std::unordered_map<PageName, Entry, PageNameHash>;

  void rate(Entry& entry);
  void drop(Map::iterator it);

  uint64_t bytes_max_;
  uint64_t bytes_ = 0;
  uint64_t evicted_ = 0;
  uint64_t clock_ = 0;  // uses so far
  EvictionPolicy policy_{Eviction::credit};
  Map entries_;
  std::set<std::pair<Worth, PageName>> by_worth_;

  friend std::optional<std::string> broken_invariant(const MemoryTier& tier);
};

// What is said above, recounted from nothing; a sentence if it does not hold.
std::optional<std::string> broken_invariant(const MemoryTier& tier);

}  // namespace baton::kvcache
