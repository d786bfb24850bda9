// Network: the layers in their order: embedding, main layers, final norm; the MTP layer; the heads.
//
// All buffers are sized at the start from the limits; a pass allocates nothing. A row's values
// depend on its own sequence's tokens and entries only. Thread safety: one owner thread; the expert
// counts may be read from any.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "model/layers/attention.h"
#include "model/layers/experts.h"

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

class Network {
 public:
  using LayerDone = std::function<void(uint32_t)>;

  Network(const checkpoint::ModelConfig& config, Weights weights, const kernels::Kernels& kernels,
          ThreadPool& pool, uint32_t rows_max);

  const checkpoint::ModelConfig& config() const { return config_; }
  const Rope& rope() const { return rope_; }
  bool has_mtp() const { return weights_.mtp.has_value(); }
  void observe(Observer* observer) { observer_ = observer; }

  // Runs the plan's rows, tokens[r] at row r, through all main layers. Calls layer_done(l) after
  // each. Returns the normalised hidden rows [rows, hidden], valid until the next pass.
  std::span<const float> forward(std::span<const TokenId> tokens, const RowPlan& plan,
                                 kvcache::PoolMemory& cache, const LayerDone& layer_done);

  // The MTP layer's entries: for each row of the plan, sources[r] is its row in the last forward
  // pass and next[r] the token that follows it. Keeps the rows for mtp_hidden.
  void mtp_entries(std::span<const uint32_t> sources, std::span<const TokenId> next,
                   const RowPlan& plan, kvcache::PoolMemory& cache);
  // The MTP layer's output, normalised for its head, of some rows of the last mtp_entries: rows[i]
  // is the i-th row of `plan`. Returns [plan's rows, hidden], valid until the next pass.
  std::span<const float> mtp_hidden(std::span<const uint32_t> rows, const RowPlan& plan,
                                    kvcache::PoolMemory& cache);

  // out: [count, vocab], of rows of a hidden matrix.
  void logits(const kernels::RowsView& hidden, size_t count, float* out);
  void mtp_logits(const kernels::RowsView& hidden, size_t count, float* out);

  std::vector<std::vector<uint64_t>> expert_tokens() const;

 private:
  void norm(const float* x, size_t rows, std::span<const float> weight, float* out);
  void embed(const kernels::Matrix& embedding, std::span<const TokenId> tokens, float* out);
  void write_entries(const LayerWeights& layer, uint32_t index, const RowPlan& plan,
                     kvcache::PoolMemory& cache);
  void finish_layer(const LayerWeights& layer, uint32_t index, const RowPlan& plan,
                    kvcache::PoolMemory& cache);
  void count_experts(uint32_t layer);

  checkpoint::ModelConfig config_;
  Weights weights_;
  Rope rope_;
  kernels::Team team_;
  Attention attention_;
  Mlp mlp_;
  Experts experts_;
  Observer* observer_ = nullptr;
  float eps_;
  std::vector<float> x_;       // [rows, hidden]: the residual stream
  std::vector<float> normed_;  // [rows, hidden]
  std::vector<float> update_;  // [rows, hidden]: what a sublayer adds
  std::vector<float> hidden_;  // [rows, hidden]: after the final norm
  std::vector<float> pairs_;   // [rows, 2 * hidden]: the MTP layer's input
  std::vector<float> mtp_x_;   // [rows, hidden]: the MTP layer's residual stream
  std::unique_ptr<std::atomic<uint64_t>[]> expert_tokens_;  // [layers, experts]
};

}  // namespace baton::layers
