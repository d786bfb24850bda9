// Attention: multi-head latent attention over the paged cache, in its two forms (DeepSeek-V2, 2.1).
//
// Always reads stored entries, for a step's own rows too, in whole blocks of 64 positions from
// position 0, with a running softmax; so neither chunk nor batch shows in a row's result.
// prefill form: a block's keys and values are expanded from the latent, head by head, and all rows
// of a run attend to them. decode form: a head's query is carried into the latent space, attends to
// the entries themselves, and the result is expanded by the value rows.
// The output projection is gcd(heads, 8) partial sums, added by one binary tree; a rank that has
// some of the heads adds its branch of the tree, and the owner of a row the rest.
// Of a plan's rows a rank owns a stretch: it makes their entries and their queries' inputs. The
// heads are its share of them, and it lets them attend for all rows of the plan.
// Thread safety: one owner thread; the work is split over the team by head and by row.
#pragma once

#include <span>
#include <vector>

#include "kvcache/pool_memory.h"
#include "model/kernels/matmul.h"
#include "model/layers/rows.h"
#include "model/layers/weights.h"

namespace baton::layers {

class Attention {
 public:
  // `tp` ranks share the heads.
  Attention(const checkpoint::ModelConfig& config, uint32_t tp, uint32_t rows_max,
            kernels::Team& team);

  // Stores the entries of `count` rows of the plan in layer `layer`. x: [count, hidden],
  // normalised.
  void write_entries(const AttentionWeights& weights, const RowPlan& plan, uint32_t first,
                     uint32_t count, const float* x, kvcache::PoolMemory& cache, uint32_t layer);

  // What the queries of these rows are projected from: their latents, or x itself. Returns all the
  // plan's rows [rows, input_width()], of which only these are filled.
  float* query_inputs(const AttentionWeights& weights, uint32_t first, uint32_t count,
                      const float* x);
  size_t input_width() const { return query_latent_ != 0 ? query_latent_ : hidden_; }

  // After query_inputs() of all the plan's rows, on whatever rank. out: [rows, hidden], this
  // share's partial sums. Every position up to each row's own has its entry.
  void attend(const AttentionWeights& weights, const RowPlan& plan,
              const kvcache::PoolMemory& cache, uint32_t layer, float* out);

  unsigned segments() const { return segments_; }  // of this share

 private:
  struct Pass;  // what the steps of one attend() share
  struct ThreadBuffers {
    std::vector<float> expanded;  // keys [64, qk] and values [64, v]; or key rows [nope, kv_lora]
    std::vector<float> scores;    // [rows or heads of an item, 64]
    std::vector<float> corrections;  // [the same]
    std::vector<uint32_t> counts;    // [the same]
    std::vector<kernels::RunningSoftmax> states;
  };

  void project_queries(const AttentionWeights& weights, const RowPlan& plan);
  void prefill_runs(const Pass& pass);
  void prefill_head(const Pass& pass, const Run& run, size_t head, unsigned thread);
  void expand_block(const Pass& pass, const float* entries, size_t count, size_t head,
                    unsigned thread);
  void decode_rows(const Pass& pass, std::span<const uint32_t> rows);
  void absorb_head(const Pass& pass, std::span<const uint32_t> rows, size_t head, unsigned thread);
  void attend_latent(const Pass& pass, uint32_t row, size_t slot, size_t head, size_t heads,
                     unsigned thread);
  void finish(const kernels::RunningSoftmax& state, float* out, size_t n) const;
  const float* block_entries(const Pass& pass, std::span<const PageId> pages, size_t block) const;

  size_t hidden_;
  size_t heads_;         // of this share
  size_t query_latent_;  // 0: none
  size_t latent_;
  size_t nope_;
  size_t rope_;
  size_t qk_;
  size_t v_;
  size_t entry_;  // latent + rope
  float eps_;
  float scale_;
  unsigned segments_;
  kernels::Team& team_;

  std::vector<float> inputs_;      // [rows, input_width()]
  std::vector<float> queries_;     // [rows, heads, nope + rope]
  std::vector<float> entries_;     // [rows, entry], before they are stored
  std::vector<float> outputs_;     // [rows, heads, v]
  std::vector<float> absorbed_;    // [decode group, heads, entry]
  std::vector<float> attended_;    // [decode group, heads, latent]
  std::vector<float> expanded_;    // [decode group, heads, v]
  std::vector<uint32_t> prefill_;  // indices of the plan's prefill runs
  std::vector<ThreadBuffers> threads_;
};

}  // namespace baton::layers
