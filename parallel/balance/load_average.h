// LoadAverage: how many tokens each expert of each layer was given of late, from reports.
//
// An exponential moving average by report, which covers some steps: one of `window` reports ago
// weighs 1/e of the last one. Reports without a token leave a layer as it is, so that idle time
// forgets nothing. Sums are in double and by basic operations alone: ranks that add the same counts
// hold the same bits. Also what a placement makes of loads: the load of each rank, and its
// imbalance. Thread safety: one thread; the functions are pure.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "parallel/balance/placement.h"

namespace baton::parallel {

class LoadAverage {
 public:
  // experts: logical ones. window: in reports, at least 1; 1 remembers only the last.
  LoadAverage(uint32_t layers, uint32_t experts, uint32_t window);

  // One report of one layer: the tokens that chose each expert, over all ranks.
  void add(uint32_t layer, std::span<const uint32_t> tokens /* [experts] */);

  // Mean tokens a report; zeros before the first. [experts]
  std::span<const float> loads(uint32_t layer) const {
    return std::span(means_).subspan(size_t{layer} * experts_, experts_);
  }
  uint32_t layers() const { return static_cast<uint32_t>(weights_.size()); }
  uint64_t reports(uint32_t layer) const { return reports_[layer]; }  // that had tokens

 private:
  uint32_t experts_;
  double decay_;
  std::vector<double> sums_;  // [layers, experts], decayed counts
  std::vector<double>
      weights_;  // [layers], decayed number of reports: the mean is unbiased at once
  std::vector<uint64_t> reports_;  // [layers]
  std::vector<float> means_;       // [layers, experts]
};

// The load of each rank if the replicas of an expert share its load alike. ranks: [ranks], filled.
void loads_of_ranks(const ExpertPlacement& placement, std::span<const float> loads /* [experts] */,
                    std::span<double> ranks);

// Largest over mean, 1 at best and [ranks] at worst; 1 too where there is no load.
double imbalance(std::span<const double> loads);
double imbalance(const ExpertPlacement& placement, std::span<const float> loads /* [experts] */);

}  // namespace baton::parallel
