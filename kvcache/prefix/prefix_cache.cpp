#include "kvcache/prefix/prefix_cache.h"

#include <fmt/format.h>

#include <ranges>

#include "base/result.h"
#include "kvcache/invariants.h"

namespace baton::kvcache {

PrefixCache::PrefixCache(PrefixIndexOptions options, bool enabled)
    : enabled_(enabled),
      pool_(options.pages),
      index_(options),
      pinned_max_(options.pages / kPinnedShare) {}

void PrefixCache::add_reference(PageId page) {
  if (pool_.state(page) == PageState::cached)
    pool_.reuse(page);
  else
    pool_.add_reference(page);
}

PrefixCache::Known PrefixCache::known(std::span<const PageName> names) const {
  Known known;
  if (!enabled_) return known;
  for (const PageId page : index_.match(names)) {
    ++known.pages;
    known.idle += pool_.state(page) == PageState::cached ? 1 : 0;
  }
  return known;
}

std::vector<PageId> PrefixCache::take(std::span<const PageName> names) {
  if (!enabled_) return {};
  std::vector<PageId> pages = index_.match(names);
  for (const PageId page : pages) {
    add_reference(page);
    index_.use(page);
  }
  return pages;
}

std::optional<PrefixIndex::Tail> PrefixCache::take_tail(std::optional<PageId> before,
                                                        const PageName& before_name,
                                                        std::span<const TokenId> tokens) {
  if (!enabled_) return std::nullopt;
  const auto tail = index_.match_tail(before, before_name, tokens);
  if (tail) {
    add_reference(tail->page);
    index_.use(tail->page);
  }
  return tail;
}

void PrefixCache::count(uint64_t queried_tokens, uint64_t hit_tokens) {
  counts_.queried_tokens += queried_tokens;
  counts_.hit_tokens += hit_tokens;
}

bool PrefixCache::make_room(uint32_t count) {
  if (count > room()) return false;
  while (pool_.counts().free < count) {
    const auto victim = index_.evict();
    check(victim.has_value(), "a cached page can't be evicted");
    pool_.evict(*victim);
    ++counts_.pages_evicted;
  }
  return true;
}

std::optional<std::vector<ReservedPage>> PrefixCache::allocate(uint32_t count, PageState state) {
  if (!make_room(count)) return std::nullopt;
  return pool_.allocate(count, state);
}

std::optional<PageId> PrefixCache::publish(const PageName& name, PageId page,
                                           std::optional<PageId> before, uint32_t tokens) {
  check(pool_.state(page) == PageState::in_use, "only a complete page is published");
  if (!enabled_) return std::nullopt;
  if (index_.insert(name, page, before, tokens)) {
    ++counts_.pages_published;
    pin_if_wanted(name, page);
    return std::nullopt;
  }
  const PageId other = *index_.find(name);
  add_reference(other);
  index_.pin(other);
  return other;
}

void PrefixCache::hold(std::span<const PageId> pages) {
  for (const PageId page : pages) {
    pool_.add_reference(page);
    if (index_.listed(page)) index_.pin(page);
  }
}

void PrefixCache::release(std::span<const PageId> pages) {
  for (const PageId page : std::views::reverse(pages)) {
    if (!index_.listed(page)) {
      pool_.release(page);
      continue;
    }
    index_.unpin(page);
    if (pool_.references(page) > 1)
      pool_.release(page);
    else
      pool_.keep(page);
  }
}

void PrefixCache::pin(std::span<const PageName> names) {
  if (!enabled_) return;
  for (const PageName& name : names) to_pin_.try_emplace(name, false);
  for (const PageId page : index_.match(names)) pin_if_wanted(index_.name(page), page);
}

// A page whose prefix is to be kept and that is above the limit has no page below it that is not:
// nothing that is pinned is ever let go.
void PrefixCache::pin_if_wanted(const PageName& name, PageId page) {
  const auto wanted = to_pin_.find(name);
  if (wanted == to_pin_.end() || wanted->second || pinned_.size() >= pinned_max_) return;
  wanted->second = true;
  add_reference(page);
  index_.pin(page);
  pinned_.push_back(page);
}

std::optional<std::string> broken_invariant(const PrefixCache& cache) {
  const PagePool& pool = cache.pool();
  const PrefixIndex& index = cache.index();
  if (auto broken = broken_invariant(pool)) return broken;
  if (auto broken = broken_invariant(index)) return broken;
  for (uint32_t i = 0; i < pool.counts().total; ++i) {
    const PageId page{i};
    const bool cached = pool.state(page) == PageState::cached;
    if (cached && !index.listed(page)) return fmt::format("cached page {} is not listed", i);
    if (!index.listed(page)) continue;
    if (!cached && pool.state(page) != PageState::in_use)
      return fmt::format("listed page {} is {}", i, to_string(pool.state(page)));
    if (index.pins(page) != pool.references(page))
      return fmt::format("page {} has {} pins and {} references", i, index.pins(page),
                         pool.references(page));
  }
  if (index.evictable() != pool.counts().cached)
    return fmt::format("{} pages can be evicted, {} are cached", index.evictable(),
                       pool.counts().cached);
  return std::nullopt;
}

}  // namespace baton::kvcache
