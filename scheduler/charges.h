// Charges: what has been placed on an instance and is not in its reported load yet.
//
// A placement is charged at once, so that a burst between two heartbeats can't over-admit. The
// charge of a side ends when that instance's heartbeat lists the request as accepted (its load now
// includes it), when the gateway forgets the request, when the instance is gone, or after a time.
// The record itself stays until the request ends, to measure how fast pages come free.
// Invariant: the sums by instance equal the charges that are still open. Thread safety: its
// owner's.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "proto/cluster.h"

namespace baton::scheduler {

struct ChargeLimits {
  Duration charge_max = 30s;  // an instance that never acknowledged is not charged longer
  Duration record_max = 3600s;
  size_t placements_max = 65536;
  Duration rate_window = 30s;  // over which finished requests are counted
  size_t rate_samples_max = 1024;
};

// Requests, pages and prompt tokens that an instance will have to bear.
struct Burden {
  uint64_t requests = 0;
  uint64_t pages = 0;
  uint64_t tokens = 0;
  friend bool operator==(const Burden&, const Burden&) = default;
};

class Charges {
 public:
  struct Placement {
    Placed answer;  // given again if the gateway asks again
    LinkId gateway;
    Burden burden;
    bool decode_open = true;  // still charged to that side
    bool prefill_open = false;
    Instant placed_at;
  };

  explicit Charges(ChargeLimits limits) : limits_(limits) {}

  bool full() const { return placements_.size() >= limits_.placements_max; }
  const Placement* find(RequestId request) const;
  // Charges both sides. A former placement of the request must have been forgotten.
  void place(const Placed& answer, LinkId gateway, Burden burden, Instant now);
  void acknowledge(Incarnation instance,
                   const std::vector<std::pair<RequestId, Attempt>>& accepted);
  void forget(RequestId request, Attempt attempt, Instant now);  // this attempt or an older one
  void gateway_gone(LinkId gateway, Instant now);
  void instance_gone(Incarnation instance);
  void expire(Instant now);
  std::optional<Instant> next_deadline() const;

  Burden charged(Incarnation instance) const;
  size_t placements() const { return placements_.size(); }
  // What has ended lately, a second; nothing if nothing was measured.
  struct Rate {
    double requests = 0;
    double pages = 0;
  };
  std::optional<Rate> finish_rate(Instant now) const;

 private:
  using Map = std::map<RequestId, Placement>;
  void lift(Placement& placement, bool decode, bool prefill);
  Map::iterator erase(Map::iterator placement, Instant now);

  ChargeLimits limits_;
  Map placements_;
  std::map<Incarnation, Burden> sums_;
  std::deque<std::pair<Instant, uint64_t>> finished_;  // when, pages
  Instant next_expiry_ = Instant::max();

  friend std::optional<std::string> broken_invariant(const Charges& charges);
};

}  // namespace baton::scheduler
