// Registry: who is there, as heartbeats tell it.
//
// An instance is known by its name and its incarnation. A heartbeat of another incarnation of a
// known name fences the former one: its heartbeats are answered "fenced" from then on, and it must
// stop. Who is draining never replaces who is not: it is the former one. An instance whose
// heartbeats are late, or whose link is down, is stale: nothing new is placed there; after
// `gone_after` it is gone. Invariants: one live instance a name; a fenced incarnation is never an
// instance; `membership` grows with every change of who is there, who is stale and who drains.
// Rebuilt from nothing by the heartbeats alone. Thread safety: its owner's.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "proto/cluster.h"

namespace baton::scheduler {

struct RegistryLimits {
  Duration stale_after = 2s;
  Duration gone_after = 10s;
  size_t instances_max = 4096;
  size_t fenced_max = 1024;  // then the oldest is forgotten first
};

struct Instance {
  Peer peer;
  Role role = Role::decode;
  Manifest manifest;
  Load load;
  bool draining = false;
  bool stale = false;
  LinkId link;  // of its last heartbeat
  Instant last_beat;
  MetricsSnapshot metrics;
  std::optional<PoolReport> pool;
};

class Registry {
 public:
  explicit Registry(RegistryLimits limits) : limits_(limits) {}

  enum class Outcome : uint8_t { known, joined, fenced, full };
  struct Beat {
    Outcome outcome = Outcome::known;
    std::optional<Incarnation> replaced;  // the former life of the name, now fenced
  };
  Beat beat(LinkId link, const Heartbeat& heartbeat, Instant now);
  void link_down(LinkId link);
  // Marks the late as stale and drops the gone; returns these.
  std::vector<Incarnation> sweep(Instant now);
  std::optional<Instant> next_deadline() const;

  const Instance* find(Incarnation incarnation) const;
  const std::map<Incarnation, Instance>& instances() const { return instances_; }
  bool is_fenced(Incarnation incarnation) const;
  uint64_t membership() const { return membership_; }

 private:
  void fence(Incarnation incarnation);
  void member_changed(Role role);
  Instant deadline_of(const Instance& instance) const;

  RegistryLimits limits_;
  std::map<Incarnation, Instance> instances_;
  std::map<std::string, Incarnation> by_name_;
  std::deque<Incarnation> fenced_;
  uint64_t membership_ = 0;              // of those that serve requests: a kvstore is not missed
  Instant next_sweep_ = Instant::max();  // not later than the first deadline

  friend std::optional<std::string> broken_invariant(const Registry& registry);
};

}  // namespace baton::scheduler
