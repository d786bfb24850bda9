#include "bench/parallel/tools/balanced_ranks.h"

#include <algorithm>
#include <utility>

namespace baton::bench {

using parallel::Nearness;

Trace make_trace(const TraceShape& shape) {
  Trace trace;
  trace.per_token += shape.routed_shared ? 1 : 0;
  Tokens source(2);
  std::vector<Popularity> layers;
  for (uint32_t layer = 0; layer < kLayers; ++layer) layers.emplace_back(3 + layer, shape.exponent);
  for (size_t p = 0; p < shape.phases; ++p) {
    Trace::Phase& phase = trace.phases.emplace_back();
    for (Popularity& popularity : layers) {
      if (p > 0) popularity.drift(shape.drift);
      phase.tokens.push_back(source.draw(shape.tokens, popularity.logs(), shape.routed_shared));
      auto& loads = phase.loads.emplace_back(kExperts + (shape.routed_shared ? 1 : 0));
      for (const uint32_t expert : phase.tokens.back()) loads[expert] += 1;
      const std::vector<double> routed(loads.begin(), loads.begin() + kExperts);
      phase.heaviest += parallel::imbalance(routed) / kLayers;
    }
  }
  return trace;
}

BalancedRanks::BalancedRanks(const parallel::Layout& layout, const parallel::BalanceLimits& limits,
                             Duration step)
    : step_length_(step),
      topology_(layout),
      nearness_(topology_.hosts() > 1 ? Nearness::own_host : Nearness::any_host),
      shape_(parallel::placement_shape(layout, v3_shape())),
      balancer_(shape_, kLayers, limits),
      slots_per_rank_(layout.slots_per_rank(kExperts)),
      slot_rows_(size_t{kLayers} * layout.slots(kExperts)),
      loading_(layout.ranks()),
      choices_(kLayers) {
  for (uint32_t layer = 0; layer < kLayers; ++layer) follow(layer);
}

double BalancedRanks::best(const Trace::Phase& phase) const {
  double sum = 0;
  for (const auto& loads : phase.loads) {
    sum += parallel::imbalance(rebalance(loads, shape_), loads);
  }
  return sum / kLayers;
}

Measured BalancedRanks::measure(const Trace& trace, size_t phase, uint32_t rows, size_t steps) {
  Measured measured;
  std::vector<double> all(size_t{kLayers} * topology_.ranks());
  for (size_t i = 0; i < steps; ++i) {
    step(trace, phase, rows);
    for (uint32_t layer = 0; layer < kLayers; ++layer) {
      const auto ranks = rank_rows(layer);
      measured.step += parallel::imbalance(ranks) / static_cast<double>(kLayers * steps);
      for (uint32_t r = 0; r < ranks.size(); ++r) all[layer * ranks.size() + r] += ranks[r];
    }
  }
  for (uint32_t layer = 0; layer < kLayers; ++layer) {
    const auto ranks = std::span(all).subspan(layer * topology_.ranks(), topology_.ranks());
    measured.window += parallel::imbalance(ranks) / kLayers;
  }
  return measured;
}

void BalancedRanks::step(const Trace& trace, size_t phase, uint32_t rows) {
  const parallel::BalanceOrders orders = balancer_.begin_step(now_);
  if (orders.switched) follow(orders.switched->layer);
  for (const auto& move : orders.moves) loading_[move.slot / slots_per_rank_].push_back(move);
  step_rows_.assign(size_t{kLayers} * topology_.ranks(), 0);
  for (uint32_t layer = 0; layer < kLayers; ++layer) {
    for (uint32_t rank = 0; rank < topology_.ranks(); ++rank) {
      send(layer, rank, trace, trace.phases[phase].tokens[layer], rows);
    }
  }
  for (uint32_t rank = 0; rank < topology_.ranks(); ++rank) {
    if (orders.asks(rank)) balancer_.heard(rank, report(rank, orders.report));
  }
  balancer_.end_step();
  now_ += step_length_;
}

void BalancedRanks::follow(uint32_t layer) {
  choices_[layer].clear();
  for (uint32_t rank = 0; rank < topology_.ranks(); ++rank) {
    choices_[layer].emplace_back(balancer_.active(layer), topology_, rank, nearness_);
  }
}

// Some tokens of one rank, wherever in the phase.
void BalancedRanks::send(uint32_t layer, uint32_t rank, const Trace& trace,
                         std::span<const uint32_t> tokens, uint32_t rows) {
  const size_t first = random_.below(tokens.size() / trace.per_token - rows + 1);
  const auto experts = tokens.subspan(first * trace.per_token, rows * trace.per_token);
  turns_.assign(choices_[layer][rank].experts(), 0);
  slots_.resize(experts.size());
  choices_[layer][rank].choose(experts, turns_, slots_);
  for (const uint32_t slot : slots_) {
    ++slot_rows_[layer * size_t{slots()} + slot];
    ++step_rows_[layer * topology_.ranks() + slot / slots_per_rank_];
  }
}

std::span<const double> BalancedRanks::rank_rows(uint32_t layer) const {
  return std::span(step_rows_).subspan(layer * topology_.ranks(), topology_.ranks());
}

parallel::BalanceReport BalancedRanks::report(uint32_t rank, bool tokens) {
  parallel::BalanceReport report{.loaded = std::exchange(loading_[rank], {})};
  for (uint32_t layer = 0; tokens && layer < kLayers; ++layer) {
    for (uint32_t i = 0; i < slots_per_rank_; ++i) {
      const size_t at = layer * size_t{slots()} + rank * slots_per_rank_ + i;
      report.tokens.push_back(std::exchange(slot_rows_[at], 0));
    }
  }
  return report;
}

}  // namespace baton::bench
