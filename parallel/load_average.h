// LoadAverage: how many tokens each expert of each layer was given of late, from counts by step.
//
// An exponential moving average by step count: a step of `window` steps ago weighs 1/e of the last
// one. Steps in which a layer had no token leave it as it is, so that idle time forgets nothing.
// Sums are in double and by basic operations alone: ranks that add the same counts hold the same
// bits. Also what a placement makes of loads: the load of each rank, and its imbalance. Thread
// safety: one thread; the functions are pure.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "parallel/placement.h"

namespace baton::parallel {

class LoadAverage {
 public:
  // experts: logical ones. window: in steps, at least 1; 1 remembers only the last step.
  LoadAverage(uint32_t layers, uint32_t experts, uint32_t window);

  // One step of one layer: the tokens that chose each expert, over all ranks and micro-batches.
  void add(uint32_t layer, std::span<const uint32_t> tokens /* [experts] */);

  // Mean tokens a step; zeros before the first step. [experts]
  std::span<const float> loads(uint32_t layer) const {
    return std::span(means_).subspan(size_t{layer} * experts_, experts_);
  }
  std::span<const float> loads() const {
    return means_;
  }  // [layers, experts], for rebalance_layers
  uint32_t layers() const { return static_cast<uint32_t>(weights_.size()); }
  uint64_t steps(uint32_t layer) const { return steps_[layer]; }  // that had tokens

 private:
  uint32_t experts_;
  double decay_;
  std::vector<double> sums_;     // [layers, experts], decayed counts
  std::vector<double> weights_;  // [layers], decayed number of steps: the mean is unbiased at once
  std::vector<uint64_t> steps_;  // [layers]
  std::vector<float> means_;     // [layers, experts]
};

// The load of each rank if the replicas of an expert share its load alike. ranks: [ranks], filled.
void loads_of_ranks(const ExpertPlacement& placement, std::span<const float> loads /* [experts] */,
                    std::span<double> ranks);

// Largest over mean, 1 at best and [ranks] at worst; 1 too where there is no load.
double imbalance(std::span<const double> loads);
double imbalance(const ExpertPlacement& placement, std::span<const float> loads /* [experts] */);

}  // namespace baton::parallel
