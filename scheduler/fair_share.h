// FairShare: who goes first when not all can: by priority, then by tenant, then by age.
//
// The policy: a lower priority number goes first; numbers are clamped to -8..8, and each 5 seconds
// of waiting count as one less, so nobody starves. Among equals the tenant goes first that has been
// given the fewest tokens (the virtual token counter of Sheng et al., "Fairness in serving large
// language models", 2024): a tenant that comes after a pause starts level with the least served of
// those who are there, so idle time earns nothing. Among one tenant's requests the oldest goes
// first. Pure: no clock. Thread safety: its owner's thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace baton::scheduler {

struct Standing {
  int32_t priority = 0;
  Duration waited{};  // since its gateway took it
  std::string_view tenant;
  uint64_t arrival = 0;  // here; breaks ties
};

// The priority that counts after this long.
int64_t effective_priority(int32_t priority, Duration waited);

class FairShare {
 public:
  // A request of the tenant has come or gone. Only tenants with requests are kept.
  void enter(const std::string& tenant);
  void leave(const std::string& tenant);

  void charge(const std::string& tenant, uint64_t tokens);
  void refund(const std::string& tenant, uint64_t tokens);  // of a charge that came to nothing
  bool before(const Standing& a, const Standing& b) const;

 private:
  struct Account {
    uint64_t requests = 0;
    uint64_t tokens = 0;  // virtual
  };
  uint64_t tokens_of(std::string_view tenant) const;

  std::map<std::string, Account, std::less<>> accounts_;
  uint64_t level_ = 0;  // of the least served tenant that was last seen
};

}  // namespace baton::scheduler
