// Experts: a mixture-of-experts layer: route, gather rows by expert, one pass over each expert's
// weights, then combine at the row.
//
// A row's outputs are weighted and added in the order of the experts' ids, the shared expert last,
// so that where an expert runs and who else uses it doesn't show. Thread safety: one owner thread.
#pragma once

#include <atomic>
#include <functional>
#include <span>
#include <vector>

#include "model/layers/mlp.h"
#include "model/layers/router.h"

namespace baton::layers {

class Experts {
 public:
  Experts(const checkpoint::ModelConfig& config, uint32_t rows_max, kernels::Team& team, Mlp& mlp);

  // residual += experts(x). Both [rows, hidden].
  void run(const MoeWeights& weights, uint32_t rows, const float* x, float* residual);

  // Of the last run: [rows, chosen], ids ascending.
  size_t chosen() const { return router_.chosen(); }
  std::span<const uint32_t> chosen_experts() const { return experts_; }
  std::span<const float> chosen_weights() const { return weights_; }
  std::span<const uint32_t> rows_by_expert() const { return counts_; }

 private:
  void route(const MoeWeights& weights, uint32_t rows, const float* x);
  void gather(const MoeWeights& weights, uint32_t rows, const float* x);
  void combine(uint32_t row, bool shared, unsigned thread, float* residual);

  Router router_;
  size_t hidden_;
  kernels::Team& team_;
  Mlp& mlp_;
  std::vector<float> logits_;       // [rows, experts]
  std::vector<float> scratch_;      // [threads, router's]
  std::vector<uint32_t> experts_;   // [rows, chosen]
  std::vector<float> weights_;      // [rows, chosen]
  std::vector<uint32_t> counts_;    // [experts]
  std::vector<uint32_t> begins_;    // [experts]: of an expert's rows in the gathered order
  std::vector<uint32_t> gathered_;  // [rows * chosen]: row of each gathered place
  std::vector<uint32_t> places_;    // [rows, chosen]: gathered place
  std::vector<MlpJob> jobs_;
  std::vector<float> outputs_;  // [rows * chosen, hidden], in the gathered order
  std::vector<float> shared_;   // [rows, hidden]
  std::vector<float> sums_;     // [threads, hidden]
};

}  // namespace baton::layers
