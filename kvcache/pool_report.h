// PoolTally: what an instance says of its pool beyond the counts: who holds its pages, and what has
// waited longest for somebody. Told to the scheduler now and then; /debug/kv shows it. Pure. Thread
// safety: its owner's.
#pragma once

#include <map>
#include <string>

#include "base/clock.h"
#include "proto/cluster.h"

namespace baton::kvcache {

class PoolTally {
 public:
  static constexpr size_t kTenantsMax = 32;  // those that hold most

  explicit PoolTally(Instant now) : now_(now) {}

  void holds(const std::string& tenant, size_t pages) {
    if (pages > 0) tenants_[tenant] += static_cast<uint32_t>(pages);
  }
  // Something waits since then, and no longer than until its deadline.
  void waits(std::string what, Instant since, Instant deadline);
  PoolReport report(uint32_t in_flight, size_t pinned) const;

 private:
  Instant now_;
  std::map<std::string, uint32_t> tenants_;
  std::optional<WaitingState> oldest_;
};

}  // namespace baton::kvcache
