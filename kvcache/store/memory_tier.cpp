#include "kvcache/store/memory_tier.h"

#include <algorithm>

namespace baton::kvcache {

void MemoryTier::rate(Entry& entry) {
  by_worth_.erase({entry.worth, entry.page.name});
  entry.use.last = ++clock_;
  entry.worth = policy_.worth(entry.use);
  by_worth_.insert({entry.worth, entry.page.name});
}

std::optional<StoredPage> MemoryTier::get(const PageName& name) {
  const auto found = entries_.find(name);
  if (found == entries_.end()) return std::nullopt;
  Entry& entry = found->second;
  policy_.reused(clock_ - entry.use.last);
  entry.use.hits = std::min(entry.use.hits + 1, EvictionPolicy::kHitsMax);
  rate(entry);
  return entry.page;
}

bool MemoryTier::put(const StoredPage& page) {
  const uint64_t size = page.bytes().size();
  if (size > bytes_max_ || holds(page.name)) return false;
  while (bytes_ + size > bytes_max_) {
    drop(entries_.find(by_worth_.begin()->second));
    ++evicted_;
  }
  Entry& entry = entries_[page.name];
  entry.page = page;
  entry.use.depth = page.depth;
  bytes_ += size;
  rate(entry);
  return true;
}

void MemoryTier::erase(const PageName& name) {
  const auto found = entries_.find(name);
  if (found != entries_.end()) drop(found);
}

void MemoryTier::drop(Map::iterator it) {
  bytes_ -= it->second.page.bytes().size();
  by_worth_.erase({it->second.worth, it->first});
  entries_.erase(it);
}

std::optional<std::string> broken_invariant(const MemoryTier& tier) {
  uint64_t bytes = 0;
  for (const auto& [name, entry] : tier.entries_) {
    bytes += entry.page.bytes().size();
    if (entry.page.name != name) return "a page lies under another's name";
    if (!tier.by_worth_.contains({entry.worth, name})) return "a page is not rated";
  }
  if (bytes != tier.bytes_) return "the bytes in memory are counted wrong";
  if (bytes > tier.bytes_max_) return "more bytes in memory than the limit";
  if (tier.by_worth_.size() != tier.entries_.size()) return "a page is rated twice";
  return std::nullopt;
}

}  // namespace baton::kvcache
