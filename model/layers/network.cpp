#include "model/layers/network.h"

#include <algorithm>
#include <cstring>

#include "base/result.h"

namespace baton::layers {
namespace {

// Columns of the widest matrix.
size_t cols_max(const checkpoint::ModelConfig& c) {
  return std::max({2 * c.hidden_size, c.q_lora_rank.value_or(0), c.kv_lora_rank,
                   c.num_heads * c.v_head_dim, c.intermediate_size, c.moe_intermediate_size,
                   c.shared_intermediate_size()});
}

size_t mlp_values(const checkpoint::ModelConfig& c, size_t rows) {
  return rows * std::max({c.intermediate_size, c.experts_per_token * c.moe_intermediate_size,
                          c.shared_intermediate_size()});
}

}  // namespace

Network::Network(const checkpoint::ModelConfig& config, Weights weights,
                 const kernels::Kernels& kernels, ThreadPool& pool, uint32_t rows_max)
    : config_(config),
      weights_(std::move(weights)),
      rope_(config),
      team_(kernels, pool, kernels::panel_floats(cols_max(config))),
      attention_(config, rows_max, team_),
      mlp_(team_, mlp_values(config, rows_max)),
      experts_(config, rows_max, team_, mlp_),
      eps_(static_cast<float>(config.rms_norm_eps)),
      x_(rows_max * config.hidden_size),
      normed_(rows_max * config.hidden_size),
      update_(rows_max * config.hidden_size),
      hidden_(rows_max * config.hidden_size),
      pairs_(config.mtp_layers * rows_max * 2 * config.hidden_size),
      mtp_x_(config.mtp_layers * rows_max * config.hidden_size),
      expert_tokens_(std::make_unique<std::atomic<uint64_t>[]>(config.num_cache_layers() *
                                                               config.num_routed_experts)) {}

void Network::norm(const float* x, size_t rows, std::span<const float> weight, float* out) {
  const size_t n = config_.hidden_size;
  team_.run(rows, n, [&](size_t r, unsigned) {
    team_.kernels().rms_norm(x + r * n, weight.data(), n, eps_, out + r * n);
  });
}

void Network::embed(const kernels::Matrix& embedding, std::span<const TokenId> tokens, float* out) {
  for (size_t r = 0; r < tokens.size(); ++r) {
    check(tokens[r] < embedding.rows(), "a token lies inside the vocabulary");
    team_.kernels().unpack(embedding.row(tokens[r]), out + r * config_.hidden_size);
  }
}

void Network::write_entries(const LayerWeights& layer, uint32_t index, const RowPlan& plan,
                            kvcache::PoolMemory& cache) {
  norm(x_.data(), plan.rows(), layer.attention_norm, normed_.data());
  attention_.write_entries(layer.attention, plan, normed_.data(), cache, index);
}

// The rest of a layer: normed_ holds what write_entries left there, for these rows.
void Network::finish_layer(const LayerWeights& layer, uint32_t index, const RowPlan& plan,
                           kvcache::PoolMemory& cache) {
  const size_t rows = plan.rows();
  const size_t n = config_.hidden_size;
  auto add_update = [&](size_t r, unsigned) {
    team_.kernels().add(x_.data() + r * n, update_.data() + r * n, n);
  };
  attention_.attend(layer.attention, plan, normed_.data(), cache, index, update_.data());
  team_.run(rows, n, add_update);
  norm(x_.data(), rows, layer.mlp_norm, normed_.data());
  if (layer.moe) {
    experts_.run(*layer.moe, plan.rows(), normed_.data(), x_.data());
    count_experts(index);
    if (observer_ != nullptr) {
      const size_t pairs = rows * experts_.chosen();
      observer_->routed(index, experts_.chosen_experts().first(pairs),
                        experts_.chosen_weights().first(pairs));
    }
    return;
  }
  const MlpJob job{&layer.dense, {normed_.data(), n, nullptr}, plan.rows(), 0};
  mlp_.run(std::span(&job, 1), update_.data());
  team_.run(rows, n, add_update);
}

void Network::count_experts(uint32_t layer) {
  const auto counts = experts_.rows_by_expert();
  for (size_t e = 0; e < counts.size(); ++e) {
    expert_tokens_[layer * counts.size() + e].fetch_add(counts[e], std::memory_order_relaxed);
  }
}

std::span<const float> Network::forward(std::span<const TokenId> tokens, const RowPlan& plan,
                                        kvcache::PoolMemory& cache, const LayerDone& layer_done) {
  check(tokens.size() == plan.rows(), "a plan has a row for each token");
  const size_t values = tokens.size() * config_.hidden_size;
  const auto show = [&](size_t stage, const std::vector<float>& rows) {
    if (observer_ != nullptr) observer_->residual(stage, std::span(rows).first(values));
  };
  embed(weights_.embedding, tokens, x_.data());
  show(0, x_);
  for (uint32_t l = 0; l < weights_.layers.size(); ++l) {
    write_entries(weights_.layers[l], l, plan, cache);
    finish_layer(weights_.layers[l], l, plan, cache);
    show(l + 1, x_);
    if (layer_done) layer_done(l);
  }
  norm(x_.data(), tokens.size(), weights_.final_norm, hidden_.data());
  show(weights_.layers.size() + 1, hidden_);
  return std::span(hidden_).first(values);
}

void Network::mtp_entries(std::span<const uint32_t> sources, std::span<const TokenId> next,
                          const RowPlan& plan, kvcache::PoolMemory& cache) {
  check(sources.size() == plan.rows() && next.size() == plan.rows(),
        "each MTP row has its hidden row and its next token");
  const MtpWeights& mtp = *weights_.mtp;
  const size_t n = config_.hidden_size;
  const auto& k = team_.kernels();
  team_.run(plan.rows(), 2 * n, [&](size_t r, unsigned) {
    float* pair = pairs_.data() + r * 2 * n;
    check(next[r] < mtp.embedding.rows(), "a token lies inside the vocabulary");
    k.unpack(mtp.embedding.row(next[r]), pair);
    k.rms_norm(pair, mtp.embedding_norm.data(), n, eps_, pair);
    k.rms_norm(hidden_.data() + sources[r] * n, mtp.hidden_norm.data(), n, eps_, pair + n);
  });
  team_.multiply({pairs_.data(), 2 * n, nullptr}, plan.rows(), mtp.projection, x_.data(), n);
  std::copy_n(x_.begin(), plan.rows() * n, mtp_x_.begin());
  write_entries(mtp.layer, static_cast<uint32_t>(config_.num_layers), plan, cache);
}

std::span<const float> Network::mtp_hidden(std::span<const uint32_t> rows, const RowPlan& plan,
                                           kvcache::PoolMemory& cache) {
  check(rows.size() == plan.rows(), "a plan has a row for each drafting row");
  const MtpWeights& mtp = *weights_.mtp;
  const size_t n = config_.hidden_size;
  for (size_t i = 0; i < rows.size(); ++i) {
    std::copy_n(mtp_x_.begin() + static_cast<ptrdiff_t>(rows[i] * n), n,
                x_.begin() + static_cast<ptrdiff_t>(i * n));
  }
  norm(x_.data(), rows.size(), mtp.layer.attention_norm, normed_.data());
  finish_layer(mtp.layer, static_cast<uint32_t>(config_.num_layers), plan, cache);
  norm(x_.data(), rows.size(), mtp.head_norm, update_.data());
  return std::span(update_).first(rows.size() * n);
}

void Network::logits(const kernels::RowsView& hidden, size_t count, float* out) {
  team_.multiply(hidden, count, weights_.head, out, config_.vocab_size);
}

void Network::mtp_logits(const kernels::RowsView& hidden, size_t count, float* out) {
  team_.multiply(hidden, count, weights_.mtp->head, out, config_.vocab_size);
}

std::vector<std::vector<uint64_t>> Network::expert_tokens() const {
  std::vector<std::vector<uint64_t>> tokens(config_.num_cache_layers());
  for (size_t l = 0; l < tokens.size(); ++l) {
    if (!config_.is_moe_layer(l)) continue;
    for (size_t e = 0; e < config_.num_routed_experts; ++e) {
      tokens[l].push_back(expert_tokens_[l * config_.num_routed_experts + e].load());
    }
  }
  return tokens;
}

}  // namespace baton::layers
