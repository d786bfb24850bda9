// Experts: a mixture-of-experts layer over the ranks of an instance: route the own rows, send them
// to the ranks that hold their experts, one pass over each expert's weights there, and combine at
// the row's owner.
//
// A row's outputs are weighted and added in the order of the experts' ids, the shared expert last,
// so that where an expert runs and who else uses it doesn't show. A layer is start, compute,
// combine; while one micro-batch's rows are on their way another's may be computed. All ranks call
// them in the same order, also those without rows. Thread safety: one owner thread.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "model/layers/mlp/mlp.h"
#include "model/layers/router.h"
#include "parallel/balance/replica_choice.h"
#include "parallel/exchange/dispatch.h"

namespace baton::layers {

struct ExpertSetup {
  uint32_t rows_max = 1;        // of one rank's own, in a micro-batch
  uint32_t batches = 1;         // micro-batches at a time
  uint32_t ranks_per_host = 0;  // of the exchange's two stages; 0: one stage
  bool routed_shared = false;
  uint32_t slots_per_rank = 1;
};

class Experts {
 public:
  Experts(const checkpoint::ModelConfig& config, const ExpertSetup& setup, parallel::Port& port,
          kernels::Team& team, Mlp& mlp);

  // Routes and sends `rows` own rows; computes the shared expert meanwhile, unless it is routed.
  // x: [rows, hidden], as it is until combine(). sources: [ranks], the rows of each.
  void start(uint32_t batch, const MoeWeights& weights, const parallel::ReplicaChoice& replicas,
             std::span<const uint32_t> sources, uint32_t rows, const float* x);
  // Computes what came here and sends the results back. Moves all exchanges along between slots.
  void compute(uint32_t batch, const MoeWeights& weights);
  // residual += experts(x). [rows, hidden].
  void combine(uint32_t batch, float* residual);
  // Moves the exchanges along that are on their way; for who computes something else meanwhile.
  void progress();

  // Of the last start: [rows, chosen], ids ascending.
  size_t chosen() const { return router_.chosen(); }
  std::span<const uint32_t> chosen_experts(uint32_t batch) const;
  std::span<const float> chosen_weights(uint32_t batch) const;
  // Rows that came to each slot of this rank in the last compute. [slots]
  std::span<const uint32_t> rows_by_slot() const { return counts_; }

 private:
  struct Batch {
    uint32_t rows = 0;
    bool shared = false;                // the shared expert's output is in `shared_out`
    std::vector<uint32_t> experts;      // [rows, chosen]
    std::vector<float> weights;         // [rows, chosen]
    std::vector<parallel::Pair> pairs;  // [rows, chosen, and the shared expert if it is routed]
    std::unique_ptr<parallel::Dispatch> dispatch;
    std::vector<float> shared_out;  // [rows, hidden]
    std::vector<float> outputs;     // [arrived pairs of a pass, hidden]
  };

  void route(Batch& batch, const MoeWeights& weights, const float* x);
  void choose_slots(uint32_t index, const parallel::ReplicaChoice& replicas);
  void compute_some(Batch& batch, const MoeWeights& weights, size_t first, size_t count);
  void run_jobs(Batch& batch);
  void combine_row(const Batch& batch, uint32_t row, unsigned thread, float* residual) const;
  size_t pairs_per_row() const { return chosen() + (routed_shared_ ? 1 : 0); }

  Router router_;
  size_t hidden_;
  size_t experts_;
  bool routed_shared_;
  size_t pairs_max_;  // computed in one pass
  kernels::Team& team_;
  Mlp& mlp_;
  std::vector<Batch> batches_;
  std::vector<float> logits_;       // [rows, experts]
  std::vector<float> scratch_;      // [threads, router's]
  std::vector<uint32_t> counts_;    // [slots]: arrived rows of each
  std::vector<uint32_t> turns_;     // [experts]: of their replicas
  std::vector<uint32_t> logical_;   // [pairs_max]: experts of the own rows, the shared one last
  std::vector<uint32_t> slots_;     // [pairs_max]: chosen for them
  std::vector<uint32_t> begins_;    // [slots + 1]: of a slot's rows in the gathered order
  std::vector<uint32_t> gathered_;  // [pairs_max]: arrived row of each gathered place
  std::vector<uint32_t> places_;    // [pairs_max]: gathered place of each arrived pair
  std::vector<MlpJob> jobs_;
  mutable std::vector<float> sums_;  // [threads, hidden]
};

}  // namespace baton::layers
