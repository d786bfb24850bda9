#include "kvcache/prefix/page_log.h"

namespace baton::kvcache {

PageLog::PageLog(uint32_t changes_max) : ring_(std::max<uint32_t>(changes_max, 1)) {}

void PageLog::append(PageChange change) { ring_[end_++ % ring_.size()] = change; }

std::optional<std::vector<PageChange>> PageLog::read(uint64_t from, size_t at_most) const {
  if (from < begin() || from > end_) return std::nullopt;
  std::vector<PageChange> changes;
  const uint64_t to = std::min<uint64_t>(end_, from + at_most);
  changes.reserve(to - from);
  for (; from < to; ++from) changes.push_back(ring_[from % ring_.size()]);
  return changes;
}

}  // namespace baton::kvcache
