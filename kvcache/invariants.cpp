#include "kvcache/invariants.h"

#include <fmt/format.h>

#include <algorithm>

namespace baton::kvcache {

std::optional<std::string> broken_invariant(const PagePool& pool) {
  PageCounts seen;
  seen.total = static_cast<uint32_t>(pool.pages_.size());
  for (uint32_t i = 0; i < pool.pages_.size(); ++i) {
    const auto& page = pool.pages_[i];
    seen.free += page.state == PageState::free;
    seen.reserved += page.state == PageState::reserved;
    seen.filling += page.state == PageState::filling;
    seen.in_use += page.state == PageState::in_use;
    seen.cached += page.state == PageState::cached;
    const bool read = page.state != PageState::free && page.state != PageState::cached;
    if (read != (page.references > 0)) {
      return fmt::format("page {} is {} with {} references", i, to_string(page.state),
                         page.references);
    }
  }
  if (!(seen == pool.counts_)) {
    return fmt::format(
        "the pool counts {} free, {} reserved, {} filling, {} in use, {} cached of {}, but has {}, "
        "{}, {}, {}, {} of {}",
        pool.counts_.free, pool.counts_.reserved, pool.counts_.filling, pool.counts_.in_use,
        pool.counts_.cached, pool.counts_.total, seen.free, seen.reserved, seen.filling,
        seen.in_use, seen.cached, seen.total);
  }
  if (pool.free_.size() != seen.free) {
    return fmt::format("the free list holds {} pages, but {} are free", pool.free_.size(),
                       seen.free);
  }
  std::vector<bool> listed(pool.pages_.size());
  for (const PageId page : pool.free_) {
    if (pool.state(page) != PageState::free || listed[page.value]) {
      return fmt::format("page {} is in the free list twice or is not free", page.value);
    }
    listed[page.value] = true;
  }
  return std::nullopt;
}

namespace {

std::optional<std::string> broken_page(const PagePool& pool, const ReservedPage& reserved,
                                       bool any_verified) {
  const PageState state = pool.state(reserved.page);
  const uint32_t page = reserved.page.value;
  if (state != PageState::reserved && state != PageState::filling) {
    return fmt::format("page {} of an open session is {}", page, to_string(state));
  }
  if (any_verified && state != PageState::filling) {
    return fmt::format("page {} has a verified block but is {}", page, to_string(state));
  }
  if (pool.references(reserved.page) != 1) {
    return fmt::format("page {} of an open session has {} references", page,
                       pool.references(reserved.page));
  }
  if (pool.epoch(reserved.page) != reserved.epoch) {
    return fmt::format("page {} of an open session has epoch {}, but the session was promised {}",
                       page, pool.epoch(reserved.page).value, reserved.epoch.value);
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> broken_invariant(const PagePool& pool, const HandoffReceiver& receiver) {
  if (auto broken = broken_invariant(pool)) return broken;
  if (receiver.by_id_.size() != receiver.sessions_.size()) {
    return fmt::format("{} session ids for {} sessions", receiver.by_id_.size(),
                       receiver.sessions_.size());
  }
  if (receiver.burials_.size() != receiver.tombstones_.size()) {
    return fmt::format("{} burials for {} tombstones", receiver.burials_.size(),
                       receiver.tombstones_.size());
  }
  std::vector<bool> owned(pool.counts().total);
  for (const auto& [job, session] : receiver.sessions_) {
    if (receiver.tombstones_.contains(job)) return fmt::format("open job {} is buried", job.value);
    const auto id = receiver.by_id_.find(session.id);
    if (id == receiver.by_id_.end() || id->second != job) {
      return fmt::format("job {} is not found by its session id", job.value);
    }
    const auto missing = std::count(session.verified.begin(), session.verified.end(), false);
    if (session.missing != missing) {
      return fmt::format("job {} counts {} missing blocks, but misses {}", job.value,
                         session.missing, missing);
    }
    for (size_t page = 0; page < session.pages.size(); ++page) {
      bool any_verified = false;
      for (size_t block = page; block < session.verified.size(); block += session.pages.size()) {
        any_verified |= session.verified[block];
      }
      if (auto broken = broken_page(pool, session.pages[page], any_verified)) return broken;
      const uint32_t name = session.pages[page].page.value;
      if (owned[name]) return fmt::format("page {} belongs to two sessions", name);
      owned[name] = true;
    }
  }
  return std::nullopt;
}

}  // namespace baton::kvcache
