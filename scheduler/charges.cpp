#include "scheduler/charges.h"

#include <algorithm>

#include "base/result.h"

namespace baton::scheduler {
namespace {

void add(Burden& to, const Burden& burden) {
  to.requests += burden.requests;
  to.pages += burden.pages;
  to.tokens += burden.tokens;
}

void subtract(Burden& from, const Burden& burden) {
  check(from.requests >= burden.requests && from.pages >= burden.pages &&
            from.tokens >= burden.tokens,
        "a charge is lifted that was never made");
  from.requests -= burden.requests;
  from.pages -= burden.pages;
  from.tokens -= burden.tokens;
}

}  // namespace

const Charges::Placement* Charges::find(RequestId request) const {
  const auto found = placements_.find(request);
  return found == placements_.end() ? nullptr : &found->second;
}

void Charges::place(const Placed& answer, LinkId gateway, Burden burden, Instant now) {
  Placement placement{answer, gateway, burden, true, answer.prefill.has_value(), now};
  const auto [it, fresh] = placements_.emplace(answer.request, std::move(placement));
  check(fresh, "a request is placed that has not been forgotten");
  add(sums_[answer.decode.incarnation], burden);
  if (answer.prefill) add(sums_[answer.prefill->incarnation], burden);
  next_expiry_ = std::min(next_expiry_, now + limits_.charge_max);
}

void Charges::lift(Placement& placement, bool decode, bool prefill) {
  const auto lift_from = [&](Incarnation instance) {
    const auto sum = sums_.find(instance);
    check(sum != sums_.end(), "a charge is lifted from an instance that has none");
    subtract(sum->second, placement.burden);
    if (sum->second == Burden{}) sums_.erase(sum);
  };
  if (decode && placement.decode_open) {
    lift_from(placement.answer.decode.incarnation);
    placement.decode_open = false;
  }
  if (prefill && placement.prefill_open) {
    lift_from(placement.answer.prefill->incarnation);
    placement.prefill_open = false;
  }
}

void Charges::acknowledge(Incarnation instance,
                          const std::vector<std::pair<RequestId, Attempt>>& accepted) {
  if (!sums_.contains(instance)) return;
  for (const auto& [request, attempt] : accepted) {
    const auto found = placements_.find(request);
    if (found == placements_.end() || found->second.answer.attempt != attempt) continue;
    Placement& placement = found->second;
    lift(placement, placement.answer.decode.incarnation == instance,
         placement.answer.prefill && placement.answer.prefill->incarnation == instance);
  }
}

Charges::Map::iterator Charges::erase(Map::iterator placement, Instant now) {
  lift(placement->second, true, true);
  if (finished_.size() >= limits_.rate_samples_max) finished_.pop_front();
  finished_.emplace_back(now, placement->second.burden.pages);
  return placements_.erase(placement);
}

void Charges::forget(RequestId request, Attempt attempt, Instant now) {
  const auto found = placements_.find(request);
  if (found != placements_.end() && found->second.answer.attempt <= attempt) erase(found, now);
}

void Charges::gateway_gone(LinkId gateway, Instant now) {
  for (auto it = placements_.begin(); it != placements_.end();)
    it = it->second.gateway == gateway ? erase(it, now) : std::next(it);
}

void Charges::instance_gone(Incarnation instance) {
  for (auto& [request, placement] : placements_)
    lift(placement, placement.answer.decode.incarnation == instance,
         placement.answer.prefill && placement.answer.prefill->incarnation == instance);
}

void Charges::expire(Instant now) {
  if (now < next_expiry_) return;
  next_expiry_ = Instant::max();
  for (auto it = placements_.begin(); it != placements_.end();) {
    Placement& placement = it->second;
    if (now >= placement.placed_at + limits_.record_max) {
      it = erase(it, now);
      continue;
    }
    if (now >= placement.placed_at + limits_.charge_max) lift(placement, true, true);
    const bool open = placement.decode_open || placement.prefill_open;
    next_expiry_ = std::min(next_expiry_,
                            placement.placed_at + (open ? limits_.charge_max : limits_.record_max));
    ++it;
  }
}

std::optional<Instant> Charges::next_deadline() const {
  if (placements_.empty()) return std::nullopt;
  return next_expiry_;
}

Burden Charges::charged(Incarnation instance) const {
  const auto sum = sums_.find(instance);
  return sum == sums_.end() ? Burden{} : sum->second;
}

std::optional<Charges::Rate> Charges::finish_rate(Instant now) const {
  Rate rate;
  Instant oldest = now;
  for (const auto& [when, pages] : finished_) {
    if (when + limits_.rate_window < now) continue;
    oldest = std::min(oldest, when);
    rate.requests += 1;
    rate.pages += static_cast<double>(pages);
  }
  if (rate.requests < 2 || oldest == now) return std::nullopt;
  const double seconds = to_seconds(now - oldest);
  rate.requests /= seconds;
  rate.pages /= seconds;
  return rate;
}

}  // namespace baton::scheduler
