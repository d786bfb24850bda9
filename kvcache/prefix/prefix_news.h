// PrefixNews: what an instance tells its scheduler of the prefixes that it keeps.
//
// With each heartbeat go the changes since the point that the scheduler is known to know, each name
// once, as it ended up; so a heartbeat may be lost, or come twice. Where the log (page_log.h) does
// not reach back that far, all that is listed is told, up to a limit. Pure. Thread safety: its
// owner's.
#pragma once

#include <cstdint>

#include "kvcache/prefix/prefix_index.h"
#include "proto/cluster.h"

namespace baton::kvcache {

struct PrefixNewsLimits {
  size_t changes_max = 4096;   // told at a time
  size_t whole_max = 1 << 16;  // names, where all is told
};

class PrefixNews {
 public:
  explicit PrefixNews(PrefixNewsLimits limits) : limits_(limits) {}

  // How far the scheduler knows the log, as it says; 0 after its restart.
  void seen(uint64_t position) { seen_ = position; }
  PrefixChanges next(const PrefixIndex& index) const;

 private:
  PrefixNewsLimits limits_;
  uint64_t seen_ = 0;
};

}  // namespace baton::kvcache
