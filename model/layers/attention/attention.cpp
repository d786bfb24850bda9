#include "model/layers/attention/attention.h"

#include <algorithm>
#include <numeric>

#include "model/layers/attention/exact_attention.h"
#include "model/layers/attention/fast_attention.h"

namespace baton::layers {

Attention::Attention(const checkpoint::ModelConfig& config, uint32_t tp, uint32_t rows_max,
                     kernels::Team& team)
    : hidden_(config.hidden_size),
      heads_(config.num_heads / tp),
      query_latent_(config.q_lora_rank.value_or(0)),
      latent_(config.kv_lora_rank),
      nope_(config.qk_nope_head_dim),
      rope_(config.qk_rope_head_dim),
      qk_(config.qk_head_dim()),
      v_(config.v_head_dim),
      entry_(config.kv_entry_width()),
      eps_(static_cast<float>(config.rms_norm_eps)),
      scale_(static_cast<float>(config.softmax_scale())),
      segments_(static_cast<unsigned>(std::gcd(config.num_heads, size_t{kernels::kSegmentsMax})) /
                tp),
      team_(team),
      queries_(rows_max * heads_ * qk_),
      outputs_(rows_max * heads_ * v_),
      inputs_(rows_max * input_width()),
      entries_(rows_max * entry_) {
  check(segments_ * tp == std::gcd(config.num_heads, size_t{kernels::kSegmentsMax}),
        "the ranks divide the heads' segments");
}

void Attention::write_entries(const AttentionWeights& weights, const RowPlan& plan, uint32_t first,
                              uint32_t count, const float* x, kvcache::PoolMemory& cache,
                              uint32_t layer) {
  check(cache.format().entry_bytes == entry_bytes(), "the cache has the mode's entries");
  const auto& k = team_.kernels();
  team_.multiply({x, hidden_, nullptr}, count, weights.kv_a, entries_.data(), entry_);
  team_.run(count, entry_, [&](size_t index, unsigned) {
    const uint32_t row = first + static_cast<uint32_t>(index);
    float* entry = entries_.data() + index * entry_;
    k.rms_norm(entry, weights.kv_a_norm.data(), latent_, eps_, entry);
    rotate(plan.cos(row), plan.sin(row), entry + latent_);
    const Position position = plan.position(row);
    const PageId page = plan.run_of(row).pages[position / kPageTokens];
    store_entry(entry, cache.entry(page, layer, position % kPageTokens));
  });
}

float* Attention::query_inputs(const AttentionWeights& weights, uint32_t first, uint32_t count,
                               const float* x) {
  float* inputs = inputs_.data() + first * input_width();
  if (query_latent_ == 0) {
    std::copy_n(x, count * hidden_, inputs);
    return inputs_.data();
  }
  team_.multiply({x, hidden_, nullptr}, count, weights.q_a, inputs, query_latent_);
  team_.run(count, query_latent_, [&](size_t row, unsigned) {
    float* latent = inputs + row * query_latent_;
    team_.kernels().rms_norm(latent, weights.q_a_norm.data(), query_latent_, eps_, latent);
  });
  return inputs_.data();
}

void Attention::project_queries(const AttentionWeights& weights, const RowPlan& plan) {
  const size_t width = heads_ * qk_;
  const kernels::RowsView in{inputs_.data(), input_width(), nullptr};
  team_.multiply(in, plan.rows(), weights.q, queries_.data(), width);
  team_.run(plan.rows(), heads_ * rope_, [&](size_t index, unsigned) {
    const auto row = static_cast<uint32_t>(index);
    for (size_t head = 0; head < heads_; ++head) {
      rotate(plan.cos(row), plan.sin(row), queries_.data() + row * width + head * qk_ + nope_);
    }
  });
}

void Attention::list_runs(const RowPlan& plan, Form form, std::vector<uint32_t>& to) {
  to.clear();
  const auto runs = plan.runs();
  for (uint32_t i = 0; i < runs.size(); ++i) {
    if (runs[i].form == form) to.push_back(i);
  }
}

void Attention::attend(const AttentionWeights& weights, const RowPlan& plan,
                       const kvcache::PoolMemory& cache, uint32_t layer, float* out) {
  project_queries(weights, plan);
  attend_rows({weights, plan, cache, layer});
  team_.multiply({outputs_.data(), heads_ * v_, nullptr}, plan.rows(), weights.o, out, hidden_,
                 segments_);
}

std::unique_ptr<Attention> make_attention(const checkpoint::NumericMode& mode,
                                          const checkpoint::ModelConfig& config, uint32_t tp,
                                          uint32_t rows_max, kernels::Team& team) {
  if (mode.packed()) return std::make_unique<FastAttention>(mode, config, tp, rows_max, team);
  return std::make_unique<ExactAttention>(config, tp, rows_max, team, mode.entries);
}

}  // namespace baton::layers
