#include "server/readiness_state.h"

#include <algorithm>

namespace baton::server {

namespace {

constexpr Duration kPauseMin = 200ms;
constexpr Duration kPauseMax = 5s;

}  // namespace

void ReadinessState::cluster_seen(const ClusterView& cluster) {
  scheduler_there_ = true;
  can_serve_ = std::any_of(
      cluster.instances.begin(), cluster.instances.end(), [](const InstanceView& instance) {
        return instance.role == Role::decode && !instance.draining && !instance.stale;
      });
  if (cluster.membership == membership_) return;
  membership_ = cluster.membership;
  shown_ = false;
  pause_ = {};
  not_before_ = {};
  last_failure_.clear();
}

void ReadinessState::probe_failed(std::string reason, Instant now) {
  probing_ = false;
  last_failure_ = std::move(reason);
  pause_ = std::clamp(pause_ * 2, kPauseMin, kPauseMax);
  not_before_ = now + pause_;
}

void ReadinessState::token_produced(uint64_t membership_at_begin) {
  if (membership_at_begin == membership_) shown_ = true;
}

bool ReadinessState::probe_due(Instant now) const { return wants_probe() && now >= not_before_; }

std::optional<Instant> ReadinessState::next_probe() const {
  if (!wants_probe()) return std::nullopt;
  return not_before_;
}

Readiness ReadinessState::readiness() const {
  if (draining_) return {false, "draining", "This server is shutting down."};
  if (shown_ && can_serve_) return {true, {}, {}};
  if (!scheduler_there_ && membership_ == 0) {
    return {false, "model_loading", "The scheduler has not been reached yet."};
  }
  if (!can_serve_) return {false, "no_capacity", "No decode instance is there."};
  if (!last_failure_.empty()) {
    return {false, "no_capacity", "The probe request failed: " + last_failure_};
  }
  return {false, "model_loading", "The cluster has changed and has not produced a token since."};
}

}  // namespace baton::server
