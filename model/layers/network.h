// Network: the layers in their order: embedding, main layers, final norm; the MTP layer; the heads;
// as one rank of an instance runs them, together with the others (DeepSeek-V3 report, 3.4).
//
// A pass has one micro-batch, or two of which one computes while the other's rows are on their way
// to their experts. Of each a rank owns a stretch of its DP group's rows: it keeps their residual
// stream, and its heads attend for all rows of the group. Buffers are sized at the start from the
// limits; a pass allocates nothing. A row's values depend on its own sequence's tokens and entries
// only. Thread safety: one owner thread.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "model/layers/attention/attention.h"
#include "model/layers/experts.h"
#include "parallel/balance/placement.h"
#include "parallel/exchange/tensor_group.h"

namespace baton::layers {

// Sees what a pass computes, for tests and diagnosis.
class Observer {
 public:
  virtual ~Observer() = default;
  // stage 0: the embedding; l + 1: after layer l; the last one: after the final norm.
  virtual void residual(size_t /*stage*/, std::span<const float> /*rows_by_hidden*/) {}
  // [rows, chosen], ids ascending.
  virtual void routed(size_t /*layer*/, std::span<const uint32_t> /*experts*/,
                      std::span<const float> /*weights*/) {}
};

// A micro-batch of a pass, as one rank sees it.
struct Batch {
  const RowPlan* plan = nullptr;  // all rows of its DP group
  std::span<const uint32_t>
      bounds;  // [tp + 1]: rank t of the group owns [bounds[t], bounds[t + 1])
  std::span<const uint32_t> sources;  // [ranks]: how many rows each rank of the instance owns
  uint32_t first = 0;                 // its own rows' place among this rank's rows of the pass
};

struct NetworkSetup {
  checkpoint::NumericMode mode;
  uint32_t rows_max = 1;  // of a DP group in one pass
  uint32_t batches = 1;   // micro-batches at a time: 2 with overlap
  bool routed_shared = false;
};

class Network {
 public:
  using LayerDone = std::function<void(uint32_t)>;
  using Placements = std::vector<std::optional<parallel::ExpertPlacement>>;  // [cache layers]

  // `weights` are this rank's share under `placements`. The port, one of the topology's ranks,
  // outlives it.
  Network(const checkpoint::ModelConfig& config, Weights weights, Placements placements,
          const NetworkSetup& setup, const parallel::Topology& topology, parallel::Port& port,
          const kernels::Kernels& kernels, ThreadPool& pool);

  const checkpoint::ModelConfig& config() const { return config_; }
  const Rope& rope() const { return rope_; }
  bool has_mtp() const { return weights_.mtp.has_value(); }
  uint32_t slots_per_rank() const { return slots_per_rank_; }
  void observe(Observer* observer) { observer_ = observer; }

  // Runs the micro-batches through all main layers; tokens: of this rank's own rows. Calls
  // layer_done(l) once layer l of all rows of all ranks is in the cache; of dense layers later,
  // where there are several ranks, and of the last ones perhaps not at all: that all ranks have
  // come to the end of the pass says the same. Returns the own rows, normalised [rows, hidden],
  // valid until the next pass.
  std::span<const float> forward(std::span<const TokenId> tokens, std::span<const Batch> batches,
                                 kvcache::PoolMemory& cache, const LayerDone& layer_done);

  // The MTP layer's entries of own rows: for each row of the plan, sources[r] is its row in
  // `hidden`, which is what forward or the last mtp_hidden returned, and next[r] the token that
  // follows it. Keeps the rows for mtp_hidden.
  void mtp_entries(std::span<const float> hidden, std::span<const uint32_t> sources,
                   std::span<const TokenId> next, const RowPlan& plan, kvcache::PoolMemory& cache);
  // The MTP layer's output, normalised for its head: own row i of the batch is row rows[i] of the
  // last mtp_entries. Returns [own rows, hidden], valid until the next pass.
  std::span<const float> mtp_hidden(std::span<const uint32_t> rows, const Batch& batch,
                                    kvcache::PoolMemory& cache);

  // out: [count, vocab], of rows of a hidden matrix.
  void logits(const kernels::RowsView& hidden, size_t count, float* out);
  void mtp_logits(const kernels::RowsView& hidden, size_t count, float* out);

  struct Arrival {
    uint32_t slot = 0;  // of the instance
    MlpWeights weights;
  };
  // From the next pass on the experts of a layer lie so; `arrivals` are the weights of this rank's
  // slots that hold another expert than before.
  void place(uint32_t layer, const parallel::ExpertPlacement& placement,
             std::span<Arrival> arrivals);
  // The rows that came to each slot of this rank since the last time, of all layers with experts in
  // order: [layers, slots].
  void take_slot_tokens(std::vector<uint32_t>& to);

 private:
  void norm(const float* x, size_t rows, std::span<const float> weight, float* out);
  void embed(const kernels::Matrix& embedding, std::span<const TokenId> tokens, float* out);
  uint32_t own(const Batch& batch) const {
    return batch.bounds[group_.index() + 1] - batch.bounds[group_.index()];
  }
  float* at(std::vector<float>& rows, const Batch& batch) const {
    return rows.data() + batch.first * config_.hidden_size;
  }
  void write_entries(const LayerWeights& layer, uint32_t index, const Batch& batch,
                     kvcache::PoolMemory& cache);
  void attend(const LayerWeights& layer, uint32_t index, const Batch& batch,
              kvcache::PoolMemory& cache);
  void add_parts(const Batch& batch);
  void start_mlp(const LayerWeights& layer, uint32_t index, uint32_t number, const Batch& batch);
  void compute_experts(const LayerWeights& layer, uint32_t index, uint32_t number);

  checkpoint::ModelConfig config_;
  Weights weights_;
  parallel::Topology topology_;
  uint32_t rank_;
  uint32_t slots_per_rank_;
  std::vector<std::optional<parallel::ReplicaChoice>> replicas_;  // [cache layers]
  parallel::TensorGroup group_;
  Rope rope_;
  kernels::Team team_;
  std::unique_ptr<Attention> attention_;
  std::unique_ptr<Mlp> mlp_;
  Experts experts_;
  Observer* observer_ = nullptr;
  float eps_;
  std::vector<float> x_;               // [own rows, hidden]: the residual stream
  std::vector<float> normed_;          // [rows, hidden]
  std::vector<float> update_;          // [the group's rows, hidden]: what a sublayer adds
  std::vector<float> hidden_;          // [rows, hidden]: after the final norm
  std::vector<float> pairs_;           // [rows, 2 * hidden]: the MTP layer's input
  std::vector<float> mtp_x_;           // [rows, hidden]: the MTP layer's residual stream
  std::vector<uint32_t> slot_tokens_;  // [cache layers, slots]
};

}  // namespace baton::layers
