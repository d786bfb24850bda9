#include "parallel/balance/balancer.h"

#include <algorithm>
#include <utility>

namespace baton::parallel {

bool BalanceOrders::asks(uint32_t rank) const {
  return report || std::ranges::find(asked, rank) != asked.end();
}

Balancer::Balancer(const PlacementShape& shape, uint32_t layers, const BalanceLimits& limits)
    : shape_(shape),
      limits_(limits),
      active_(layers, first_placement(shape)),
      loads_(layers, shape.experts, limits.window),
      counts_(size_t{layers} * shape.experts, 0),
      planned_(layers) {
  view_.tokens.assign(layers, 0);
  view_.heaviest.assign(layers, 1.0);
  view_.imbalance.assign(layers, 1.0);
}

BalanceOrders Balancer::begin_step(Instant now) {
  BalanceOrders orders;
  if (!migration_) plan(now, orders);
  if (migration_) move(orders);
  reporting_ = orders.report = orders.report || ++steps_ >= limits_.report_steps;
  return orders;
}

// Is a plan due? Then it begins, once all that has come to the slots is known; and one layer of
// what has begun is planned.
void Balancer::plan(Instant now, BalanceOrders& orders) {
  const auto due = [&](std::optional<Instant>& at, Duration period) {
    if (period == Duration::zero() || (at && now < *at)) return false;
    const bool begun = at.has_value();  // the first period begins with the first step
    at = now + period;
    return begun;
  };
  if (planned_ == layers()) {
    const bool whole = due(next_plan_, limits_.period);
    const bool hosts = due(next_rearrangement_, limits_.rearrange_period);
    if (!wanted_ && whole) wanted_ = Plan::whole;
    if (!wanted_ && hosts) wanted_ = Plan::hosts;
    if (!wanted_) return;
    if (!reported_) {
      orders.report = true;
      return;
    }
    plan_ = *std::exchange(wanted_, std::nullopt);
    planned_ = 0;
    ++view_.plans;
  }
  if (planned_ < layers()) plan_layer(planned_++);
}

void Balancer::plan_layer(uint32_t layer) {
  if (loads_.reports(layer) == 0) return;
  const ExpertPlacement& active = active_[layer];
  const auto loads = loads_.loads(layer);
  const ExpertPlacement wanted = plan_ == Plan::whole ? parallel::rebalance(loads, shape_)
                                                      : rearrange(active, loads, shape_.hosts);
  // A whole plan that is not hierarchical has no regard for hosts.
  const uint32_t hosts = plan_ == Plan::whole && !shape_.hierarchical() ? 1 : shape_.hosts;
  const double now = imbalance(active, loads);
  if (imbalance(wanted, loads) > now * (1 - limits_.gain_min)) return;
  const ExpertPlacement target = keep_in_place(active, rename_ranks(active, wanted, hosts));
  migration_.emplace(layer, active, target.with_epoch(++epoch_), limits_.moves_max);
}

void Balancer::move(BalanceOrders& orders) {
  if (!migration_->complete()) {
    const auto begun = migration_->begin();
    orders.moves.assign(begun.begin(), begun.end());
    for (uint32_t rank = 0; rank < shape_.ranks; ++rank) {
      if (migration_->awaits(rank)) orders.asked.push_back(rank);
    }
    return;
  }
  if (!reported_) {
    orders.report = true;
    return;
  }
  const uint32_t layer = migration_->layer();
  active_[layer] = migration_->target();
  orders.switched = LayerSwitch{layer, active_[layer]};
  migration_.reset();
  ++view_.layers_switched;
}

void Balancer::heard(uint32_t rank, const BalanceReport& report) {
  if (reporting_) {
    check(report.tokens.size() == size_t{layers()} * (shape_.slots / shape_.ranks),
          "a rank reports on all its slots");
    size_t at = 0;
    for (uint32_t layer = 0; layer < layers(); ++layer) {
      for (const uint32_t expert : active_[layer].experts_on(rank)) {
        counts_[size_t{layer} * shape_.experts + expert] += report.tokens[at++];
      }
    }
  }
  for (const SlotMove& move : report.loaded) {
    if (migration_ && migration_->loaded(move)) ++view_.slots_moved;
  }
  for (const SlotMove& move : report.failed) {
    // What can't be loaded now is not tried again and again: the next plan is another chance.
    ++view_.moves_failed;
    if (migration_ && move.epoch == migration_->target().epoch()) migration_.reset();
  }
}

void Balancer::end_step() {
  reported_ = reporting_;
  if (!reporting_) return;
  steps_ = 0;
  for (uint32_t layer = 0; layer < layers(); ++layer) {
    const auto counts =
        std::span<const uint32_t>(counts_).subspan(size_t{layer} * shape_.experts, shape_.experts);
    loads_.add(layer, counts);
    for (const uint32_t count : counts) view_.tokens[layer] += count;
    const auto loads = loads_.loads(layer);
    view_.heaviest[layer] = imbalance(std::vector<double>(loads.begin(), loads.end()));
    view_.imbalance[layer] = imbalance(active_[layer], loads);
  }
  std::ranges::fill(counts_, 0);
}

}  // namespace baton::parallel
