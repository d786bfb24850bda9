// Attention: multi-head latent attention over the paged cache (DeepSeek-V2 report, 2.1): the
// projections around it, which all modes share. How rows attend is a mode's own: ExactAttention,
// FastAttention.
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

#include <memory>
#include <span>
#include <vector>

#include "kvcache/pool_memory.h"
#include "model/checkpoint/packed/numeric_mode.h"
#include "model/kernels/matmul.h"
#include "model/layers/rows.h"
#include "model/layers/weights.h"

namespace baton::layers {

class Attention {
 public:
  // `tp` ranks share the heads.
  Attention(const checkpoint::ModelConfig& config, uint32_t tp, uint32_t rows_max,
            kernels::Team& team);
  virtual ~Attention() = default;
  Attention(const Attention&) = delete;
  Attention& operator=(const Attention&) = delete;

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

 protected:
  struct Pass {  // what the steps of one attend() share
    const AttentionWeights& weights;
    const RowPlan& plan;
    const kvcache::PoolMemory& cache;
    uint32_t layer;
  };
  virtual size_t entry_bytes() const = 0;
  virtual void store_entry(const float* entry, std::byte* to) const = 0;
  // From queries_ to outputs_, for all rows of the plan.
  virtual void attend_rows(const Pass& pass) = 0;

  // The indices of the plan's runs of a form.
  static void list_runs(const RowPlan& plan, Form form, std::vector<uint32_t>& to);

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
  std::vector<float> queries_;  // [rows, heads, nope + rope]
  std::vector<float> outputs_;  // [rows, heads, v]

 private:
  void project_queries(const AttentionWeights& weights, const RowPlan& plan);

  std::vector<float> inputs_;   // [rows, input_width()]
  std::vector<float> entries_;  // [rows, entry], before they are stored
};

std::unique_ptr<Attention> make_attention(const checkpoint::NumericMode& mode,
                                          const checkpoint::ModelConfig& config, uint32_t tp,
                                          uint32_t rows_max, kernels::Team& team);

}  // namespace baton::layers
