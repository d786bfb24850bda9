#include "parallel/balance/load_average.h"

#include <algorithm>
#include <numeric>

namespace baton::parallel {

// 1 - 1/window instead of exp(-1/window): the same for our purpose, and the same on every CPU.
LoadAverage::LoadAverage(uint32_t layers, uint32_t experts, uint32_t window)
    : experts_(experts),
      decay_(1.0 - 1.0 / std::max(window, 1u)),
      sums_(size_t{layers} * experts, 0.0),
      weights_(layers, 0.0),
      reports_(layers, 0),
      means_(size_t{layers} * experts, 0.0f) {
  check(experts > 0 && window > 0, "loads are averaged of experts, over one report or more");
}

void LoadAverage::add(uint32_t layer, std::span<const uint32_t> tokens) {
  check(layer < layers() && tokens.size() == experts_, "a report counts every expert of a layer");
  if (std::all_of(tokens.begin(), tokens.end(), [](uint32_t count) { return count == 0; })) return;
  ++reports_[layer];
  weights_[layer] = weights_[layer] * decay_ + 1.0;
  for (size_t expert = 0; expert < experts_; ++expert) {
    const size_t at = size_t{layer} * experts_ + expert;
    sums_[at] = sums_[at] * decay_ + tokens[expert];
    means_[at] = static_cast<float>(sums_[at] / weights_[layer]);
  }
}

void loads_of_ranks(const ExpertPlacement& placement, std::span<const float> loads,
                    std::span<double> ranks) {
  check(loads.size() == placement.experts() && ranks.size() == placement.ranks(),
        "the loads are those of the placement's experts, and the ranks its own");
  std::fill(ranks.begin(), ranks.end(), 0.0);
  for (uint32_t slot = 0; slot < placement.slots(); ++slot) {
    const uint32_t expert = placement.expert_of(slot);
    ranks[placement.rank_of(slot)] += double{loads[expert]} / placement.replicas_of(expert);
  }
}

double imbalance(std::span<const double> loads) {
  const double sum = std::accumulate(loads.begin(), loads.end(), 0.0);
  if (sum == 0) return 1.0;
  return *std::max_element(loads.begin(), loads.end()) * static_cast<double>(loads.size()) / sum;
}

double imbalance(const ExpertPlacement& placement, std::span<const float> loads) {
  std::vector<double> ranks(placement.ranks());
  loads_of_ranks(placement, loads, ranks);
  return imbalance(ranks);
}

}  // namespace baton::parallel
