#include "scheduler/scheduler_state.h"

#include <algorithm>
#include <utility>

namespace baton::scheduler {

SchedulerState::SchedulerState(SchedulerLimits limits)
    : limits_(limits),
      registry_(limits.registry),
      charges_(limits.charges),
      prefixes_(limits.prefixes) {}

Actions SchedulerState::step(const Event& event, Instant now) {
  now_ = now;
  run_timers();
  std::visit([this](const auto& e) { on(e); }, event);
  if (registry_.membership() != told_membership_) tell_watchers();
  return std::exchange(actions_, {});
}

std::optional<Instant> SchedulerState::next_deadline() const {
  std::optional<Instant> next = registry_.next_deadline();
  const auto earliest = [&next](std::optional<Instant> at) {
    if (at && (!next || *at < *next)) next = at;
  };
  earliest(charges_.next_deadline());
  if (!watchers_.empty()) earliest(next_view_);
  return next;
}

void SchedulerState::on(const Received& received) {
  std::visit([&](const auto& message) { handle(received.from, message); }, received.message);
}

void SchedulerState::on(const LinkDown& down) {
  registry_.link_down(down.link);
  charges_.gateway_gone(down.link, now_);
  watchers_.erase(down.link);
}

void SchedulerState::handle(LinkId from, const Heartbeat& heartbeat) {
  const Registry::Beat beat = registry_.beat(from, heartbeat, now_);
  if (beat.replaced) gone(*beat.replaced);
  const Incarnation incarnation = heartbeat.peer.incarnation;
  HeartbeatSeen seen{incarnation, beat.outcome == Registry::Outcome::fenced, 0, {}};
  if (beat.outcome != Registry::Outcome::fenced && beat.outcome != Registry::Outcome::full) {
    charges_.acknowledge(incarnation, heartbeat.accepted);
    seen.prefixes_seen = prefixes_.update(heartbeat, now_);
    alarm_if_late(heartbeat.peer);
    if (heartbeat.role == Role::prefill) seen.kvstores = kvstores();
  }
  actions_.push_back(Send{from, seen});
  if (heartbeat.role == Role::kvstore && beat.outcome == Registry::Outcome::joined) tell_prefills();
}

// A kvstore has come: prefill instances need not wait for their next heartbeat to know.
void SchedulerState::tell_prefills() {
  const std::vector<Peer> stores = kvstores();
  for (const auto& [incarnation, instance] : registry_.instances())
    if (instance.role == Role::prefill && !instance.stale)
      actions_.push_back(
          Send{instance.link,
               HeartbeatSeen{incarnation, false, prefixes_.position(incarnation), stores}});
}

// Those that are there and stay: whoever asks them agrees with all others on who keeps what.
std::vector<Peer> SchedulerState::kvstores() const {
  std::vector<Peer> stores;
  for (const auto& [incarnation, instance] : registry_.instances()) {
    if (instance.role != Role::kvstore || instance.stale || instance.draining) continue;
    if (stores.size() < limits_.kvstores_max) stores.push_back(instance.peer);
  }
  std::ranges::sort(stores, {}, &Peer::name);
  return stores;
}

void SchedulerState::gone(Incarnation instance) {
  charges_.instance_gone(instance);
  prefixes_.gone(instance);
  late_.erase(instance);
}

void SchedulerState::alarm_if_late(const Peer& peer) {
  if (!prefixes_.late(peer.incarnation, now_)) {
    late_.erase(peer.incarnation);
  } else if (late_.insert(peer.incarnation).second) {
    actions_.push_back(Alarm{peer.name, "which prefixes it keeps is not known, or known too late"});
  }
}

void SchedulerState::handle(LinkId from, const Place& place) {
  if (const auto* known = charges_.find(place.request)) {
    if (known->answer.attempt == place.attempt) {  // asked again: the answer may have been lost
      const Instance* decode = registry_.find(known->answer.decode.incarnation);
      if (decode && !decode->stale) {
        actions_.push_back(Send{from, known->answer});
        return;
      }
    }
    if (known->answer.attempt > place.attempt) return;  // a question that came too late
    charges_.forget(place.request, place.attempt, now_);
  }
  auto answer = choose(registry_, charges_, prefixes_, place, limits_.placement, now_);
  if (const auto* placed = std::get_if<Placed>(&answer)) {
    Burden burden = burden_of(place, limits_.placement);
    if (placed->prefill)
      burden.tokens -= kept_tokens(prefixes_, placed->prefill->incarnation, place);
    charges_.place(*placed, from, burden, now_);
  }
  std::visit([&](auto& message) { actions_.push_back(Send{from, std::move(message)}); }, answer);
}

void SchedulerState::handle(LinkId, const Forget& forget) {
  charges_.forget(forget.request, forget.attempt, now_);
}

void SchedulerState::handle(LinkId from, const WatchCluster&) {
  if (!watchers_.contains(from) && watchers_.size() >= limits_.watchers_max) return;
  watchers_.insert(from);
  if (watchers_.size() == 1) next_view_ = now_ + limits_.view_interval;
  actions_.push_back(Send{from, view()});
}

void SchedulerState::handle(LinkId, const Rebalance& rebalance) {
  const Instance* instance = registry_.find(rebalance.instance);
  if (instance && !instance->stale)
    actions_.push_back(Send{instance->link, RebalanceNow{rebalance.instance}});
}

void SchedulerState::run_timers() {
  for (const Incarnation lost : registry_.sweep(now_)) gone(lost);
  charges_.expire(now_);
  if (!watchers_.empty() && now_ >= next_view_) tell_watchers();
}

void SchedulerState::tell_watchers() {
  told_membership_ = registry_.membership();
  next_view_ = now_ + limits_.view_interval;
  if (watchers_.empty()) return;
  const ClusterView all = view();
  for (const LinkId watcher : watchers_) actions_.push_back(Send{watcher, all});
}

ClusterView SchedulerState::view() const {
  ClusterView view;
  view.membership = registry_.membership();
  for (const auto& [incarnation, instance] : registry_.instances())
    view.instances.push_back({instance.peer, instance.role, instance.manifest, instance.load,
                              instance.draining, instance.stale, instance.metrics,
                              prefixes_.size(incarnation), prefixes_.late(incarnation, now_),
                              instance.pool});
  std::sort(view.instances.begin(), view.instances.end(),
            [](const auto& a, const auto& b) { return a.peer.name < b.peer.name; });
  return view;
}

}  // namespace baton::scheduler
