// ReadinessState: whether the cluster has shown that it can serve. Pure.
//
// Ready: at least one decode instance is there and neither drains nor is late, and a token has been
// produced by a request that began after the last change of membership. One probe runs at a time;
// after a failed one the next waits. Invariant: a draining gateway is never ready.
// Thread safety: its owner's.
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"
#include "proto/cluster.h"
#include "server/engine.h"

namespace baton::server {

class ReadinessState {
 public:
  // What happened.
  void scheduler_lost() { scheduler_there_ = false; }
  void cluster_seen(const ClusterView& cluster);
  void probe_sent() { probing_ = true; }
  void probe_finished() { probing_ = false; }
  void probe_failed(std::string reason, Instant now);
  void token_produced(uint64_t membership_at_begin);  // the probe's, or any other
  void drain() { draining_ = true; }

  bool probe_due(Instant now) const;
  std::optional<Instant> next_probe() const;  // when one will be due, if only time is lacking
  uint64_t membership() const { return membership_; }
  Readiness readiness() const;

 private:
  bool wants_probe() const { return can_serve_ && !shown_ && !probing_ && !draining_; }

  bool scheduler_there_ = false;
  bool can_serve_ = false;
  bool shown_ = false;
  bool probing_ = false;
  bool draining_ = false;
  uint64_t membership_ = 0;
  Duration pause_{};
  Instant not_before_{};
  std::string last_failure_;
};

}  // namespace baton::server
