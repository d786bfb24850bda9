#include "scheduler/registry.h"

#include <algorithm>

namespace baton::scheduler {

Registry::Beat Registry::beat(LinkId link, const Heartbeat& heartbeat, Instant now) {
  const Incarnation incarnation = heartbeat.peer.incarnation;
  if (is_fenced(incarnation)) return {Outcome::fenced, std::nullopt};

  Beat beat;
  auto found = instances_.find(incarnation);
  if (found == instances_.end()) {
    const auto former = by_name_.find(heartbeat.peer.name);
    if (former != by_name_.end()) {
      if (heartbeat.draining && !instances_.at(former->second).draining) {
        fence(incarnation);  // a scheduler that has restarted meets the former life last
        return {Outcome::fenced, std::nullopt};
      }
      beat.replaced = former->second;
      fence(former->second);
      instances_.erase(former->second);
      by_name_.erase(former);
      member_changed(heartbeat.role);
    }
    if (instances_.size() >= limits_.instances_max) return {Outcome::full, beat.replaced};
    found = instances_.emplace(incarnation, Instance{}).first;
    by_name_[heartbeat.peer.name] = incarnation;
    beat.outcome = Outcome::joined;
    member_changed(heartbeat.role);
  }

  Instance& instance = found->second;
  if (beat.outcome == Outcome::known &&
      (instance.stale || instance.draining != heartbeat.draining)) {
    member_changed(heartbeat.role);
  }
  if (instance.peer.name != heartbeat.peer.name) {  // one life has one name: keep the index true
    by_name_.erase(instance.peer.name);
    by_name_[heartbeat.peer.name] = incarnation;
  }
  instance.peer = heartbeat.peer;
  instance.role = heartbeat.role;
  instance.manifest = heartbeat.manifest;
  instance.load = heartbeat.load;
  instance.draining = heartbeat.draining;
  instance.stale = false;
  instance.link = link;
  instance.last_beat = now;
  next_sweep_ = std::min(next_sweep_, now + limits_.stale_after);
  if (heartbeat.metrics) instance.metrics = *heartbeat.metrics;
  if (heartbeat.pool) instance.pool = heartbeat.pool;
  return beat;
}

void Registry::member_changed(Role role) {
  if (role != Role::kvstore) ++membership_;
}

void Registry::link_down(LinkId link) {
  for (auto& [incarnation, instance] : instances_) {
    if (instance.link != link || instance.stale) continue;
    instance.stale = true;
    next_sweep_ = std::min(next_sweep_, deadline_of(instance));
    member_changed(instance.role);
  }
}

std::vector<Incarnation> Registry::sweep(Instant now) {
  std::vector<Incarnation> gone;
  if (now < next_sweep_) return gone;
  next_sweep_ = Instant::max();
  for (auto it = instances_.begin(); it != instances_.end();) {
    Instance& instance = it->second;
    if (now >= instance.last_beat + limits_.gone_after) {
      gone.push_back(it->first);
      by_name_.erase(instance.peer.name);
      member_changed(instance.role);
      it = instances_.erase(it);
      continue;
    }
    if (!instance.stale && now >= instance.last_beat + limits_.stale_after) {
      instance.stale = true;
      member_changed(instance.role);
    }
    next_sweep_ = std::min(next_sweep_, deadline_of(instance));
    ++it;
  }
  return gone;
}

std::optional<Instant> Registry::next_deadline() const {
  if (instances_.empty()) return std::nullopt;
  return next_sweep_;
}

Instant Registry::deadline_of(const Instance& instance) const {
  return instance.last_beat + (instance.stale ? limits_.gone_after : limits_.stale_after);
}

const Instance* Registry::find(Incarnation incarnation) const {
  const auto found = instances_.find(incarnation);
  return found == instances_.end() ? nullptr : &found->second;
}

bool Registry::is_fenced(Incarnation incarnation) const {
  return std::find(fenced_.begin(), fenced_.end(), incarnation) != fenced_.end();
}

void Registry::fence(Incarnation incarnation) {
  if (fenced_.size() >= limits_.fenced_max) fenced_.pop_front();
  fenced_.push_back(incarnation);
}

}  // namespace baton::scheduler
