#include "kvcache/page_pool.h"

#include "base/result.h"

namespace baton::kvcache {

const char* to_string(PageState state) {
  switch (state) {
    case PageState::free:
      return "free";
    case PageState::reserved:
      return "reserved";
    case PageState::filling:
      return "filling";
    case PageState::in_use:
      return "in_use";
    case PageState::cached:
      return "cached";
  }
  return "unknown";
}

PagePool::PagePool(uint32_t pages) : pages_(pages) {
  counts_.total = pages;
  counts_.free = pages;
  free_.reserve(pages);
  for (uint32_t page = pages; page > 0; --page) free_.push_back(PageId{page - 1});
}

std::optional<std::vector<ReservedPage>> PagePool::allocate(uint32_t count, PageState state) {
  check(state == PageState::reserved || state == PageState::filling || state == PageState::in_use,
        "a page is allocated as reserved, filling or in use");
  if (count > free_.size()) return std::nullopt;
  std::vector<ReservedPage> out;
  out.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    const PageId id = free_.back();
    free_.pop_back();
    Page& page = at(id);
    move(page, state);
    page.references = 1;
    page.epoch = Epoch{page.epoch.value + 1};
    out.push_back({id, page.epoch});
  }
  return out;
}

void PagePool::advance(PageId id, PageState to) {
  Page& page = at(id);
  check((page.state == PageState::reserved && to == PageState::filling) ||
            (page.state == PageState::filling && to == PageState::in_use),
        "a page advances from reserved to filling to in use");
  move(page, to);
}

void PagePool::add_reference(PageId id) {
  Page& page = at(id);
  check(page.state == PageState::in_use, "only a page in use is shared");
  ++page.references;
}

void PagePool::release(PageId id) {
  Page& page = at(id);
  check(page.state != PageState::free, "a free page is released");
  check(page.references > 0, "a page without references is released");
  if (--page.references > 0) return;
  move(page, PageState::free);
  free_.push_back(id);
}

void PagePool::keep(PageId id) {
  Page& page = at(id);
  check(page.state == PageState::in_use && page.references == 1,
        "only a page in use, by its last reference, is kept");
  page.references = 0;
  move(page, PageState::cached);
}

void PagePool::reuse(PageId id) {
  Page& page = at(id);
  check(page.state == PageState::cached, "only a cached page is reused");
  page.references = 1;
  move(page, PageState::in_use);
}

void PagePool::evict(PageId id) {
  Page& page = at(id);
  check(page.state == PageState::cached, "only a cached page is evicted");
  move(page, PageState::free);
  free_.push_back(id);
}

PagePool::Page& PagePool::at(PageId page) {
  check(page.value < pages_.size(), "a page that the pool doesn't have is named");
  return pages_[page.value];
}

const PagePool::Page& PagePool::at(PageId page) const {
  check(page.value < pages_.size(), "a page that the pool doesn't have is named");
  return pages_[page.value];
}

uint32_t& PagePool::counter(PageState state) {
  switch (state) {
    case PageState::free:
      return counts_.free;
    case PageState::reserved:
      return counts_.reserved;
    case PageState::filling:
      return counts_.filling;
    case PageState::in_use:
      return counts_.in_use;
    case PageState::cached:
      break;
  }
  return counts_.cached;
}

void PagePool::move(Page& page, PageState to) {
  --counter(page.state);
  ++counter(to);
  page.state = to;
}

}  // namespace baton::kvcache
