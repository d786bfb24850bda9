// SchedulerState: the cluster's state machine. Heartbeats and questions in, answers out.
//
// It keeps no request alive and no stream depends on it: what it knows it knows from heartbeats,
// and after a restart it rebuilds itself from them. Every question is answered at once; it never
// makes anyone wait. Its tables have limits; beyond them it refuses. Pure: no clock, thread, socket
// or chance. Thread safety: its owner's thread only.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "scheduler/charges.h"
#include "scheduler/placement.h"
#include "scheduler/prefix_view.h"
#include "scheduler/registry.h"

namespace baton::scheduler {

struct SchedulerLimits {
  RegistryLimits registry;
  ChargeLimits charges;
  PlacementLimits placement;
  PrefixViewLimits prefixes;
  Duration view_interval = 1s;  // watchers get a view that often, and at every change
  size_t watchers_max = 256;
  size_t kvstores_max = 64;  // that prefill instances are told of
};

// Events.
struct Received {
  LinkId from;
  ToScheduler message;
};
struct LinkDown {
  LinkId link;
};
struct Tick {};
using Event = std::variant<Received, LinkDown, Tick>;

// Actions.
struct Send {
  LinkId to;
  FromScheduler message;
};
struct Alarm {  // something that somebody should look into, told once
  std::string instance;
  std::string sentence;
};
using Action = std::variant<Send, Alarm>;
using Actions = std::vector<Action>;

class SchedulerState {
 public:
  explicit SchedulerState(SchedulerLimits limits);

  Actions step(const Event& event, Instant now);
  std::optional<Instant> next_deadline() const;

  const Registry& registry() const { return registry_; }
  const Charges& charges() const { return charges_; }
  const PrefixView& prefixes() const { return prefixes_; }
  ClusterView view() const;

 private:
  void on(const Received& received);
  void on(const LinkDown& down);
  void on(const Tick&) {}
  void handle(LinkId from, const Heartbeat& heartbeat);
  void handle(LinkId from, const Place& place);
  void handle(LinkId from, const Forget& forget);
  void handle(LinkId from, const WatchCluster&);
  void handle(LinkId from, const Rebalance& rebalance);
  std::vector<Peer> kvstores() const;
  void tell_prefills();
  void gone(Incarnation instance);
  void alarm_if_late(const Peer& peer);
  void run_timers();
  void tell_watchers();

  SchedulerLimits limits_;
  Registry registry_;
  Charges charges_;
  PrefixView prefixes_;
  std::set<Incarnation> late_;  // whose prefixes are known too late: alarm was given
  std::set<LinkId> watchers_;
  uint64_t told_membership_ = 0;
  Instant next_view_ = Instant::max();
  Instant now_;
  Actions actions_;

  friend std::optional<std::string> broken_invariant(const SchedulerState& state);
};

}  // namespace baton::scheduler
