// PageLog: what an index has come to hold and has lost, in order, for whoever follows it.
//
// Bounded: the oldest changes are forgotten first. A follower that comes too late for what it has
// not seen is told so, and has to take the whole index anew. Pure. Thread safety: its owner's.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

namespace baton::kvcache {

struct PageChange {
  uint64_t name = 0;  // PageName::short_name()
  bool held = false;  // else it was evicted
  friend bool operator==(const PageChange&, const PageChange&) = default;
};

class PageLog {
 public:
  // Room for `changes_max`, at least one.
  explicit PageLog(uint32_t changes_max);

  void append(PageChange change);
  // How many changes there have been: a follower that has seen all stands here.
  uint64_t end() const { return end_; }
  // The oldest change that is still known.
  uint64_t begin() const { return end_ - std::min<uint64_t>(end_, ring_.size()); }
  // Up to `at_most` changes from `from` on; nothing if some of them are forgotten.
  std::optional<std::vector<PageChange>> read(uint64_t from, size_t at_most) const;

 private:
  std::vector<PageChange> ring_;
  uint64_t end_ = 0;
};

}  // namespace baton::kvcache
