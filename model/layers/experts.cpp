#include "model/layers/experts.h"

#include <algorithm>

namespace baton::layers {

Experts::Experts(const checkpoint::ModelConfig& config, uint32_t rows_max, kernels::Team& team,
                 Mlp& mlp)
    : router_(config),
      hidden_(config.hidden_size),
      team_(team),
      mlp_(mlp),
      logits_(rows_max * config.num_routed_experts),
      scratch_(team.pool().size() * router_.scratch_floats()),
      experts_(rows_max * config.experts_per_token),
      weights_(rows_max * config.experts_per_token),
      counts_(config.num_routed_experts),
      begins_(config.num_routed_experts),
      gathered_(rows_max * config.experts_per_token),
      places_(rows_max * config.experts_per_token),
      outputs_(rows_max * config.experts_per_token * hidden_),
      shared_(config.num_shared_experts > 0 ? rows_max * hidden_ : 0),
      sums_(team.pool().size() * hidden_) {
  jobs_.reserve(config.num_routed_experts);
}

void Experts::route(const MoeWeights& weights, uint32_t rows, const float* x) {
  const size_t experts = counts_.size();
  team_.multiply({x, hidden_, nullptr}, rows, weights.router, logits_.data(), experts);
  const size_t k = chosen();
  team_.run(rows, experts * k, [&](size_t row, unsigned thread) {
    const size_t floats = router_.scratch_floats();
    router_.choose(team_.kernels(), std::span(logits_).subspan(row * experts, experts),
                   weights.router_bias, std::span(scratch_).subspan(thread * floats, floats),
                   std::span(experts_).subspan(row * k, k),
                   std::span(weights_).subspan(row * k, k));
  });
}

void Experts::gather(const MoeWeights& weights, uint32_t rows, const float* x) {
  const size_t pairs = rows * chosen();
  std::ranges::fill(counts_, 0);
  for (size_t i = 0; i < pairs; ++i) ++counts_[experts_[i]];
  jobs_.clear();
  uint32_t begin = 0;
  for (size_t e = 0; e < counts_.size(); ++e) {
    begins_[e] = begin;
    if (counts_[e] != 0) {
      const kernels::RowsView in{x, hidden_, gathered_.data() + begin};
      jobs_.push_back({&weights.experts[e], in, counts_[e], begin});
    }
    begin += counts_[e];
  }
  for (size_t i = 0; i < pairs; ++i) {
    const uint32_t place = begins_[experts_[i]]++;
    gathered_[place] = static_cast<uint32_t>(i / chosen());
    places_[i] = place;
  }
}

void Experts::combine(uint32_t row, bool shared, unsigned thread, float* residual) {
  const auto& k = team_.kernels();
  float* sum = sums_.data() + thread * hidden_;
  std::fill_n(sum, hidden_, 0.0f);
  for (size_t i = row * chosen(); i < (row + 1) * chosen(); ++i) {
    k.add_scaled(sum, outputs_.data() + places_[i] * hidden_, weights_[i], hidden_);
  }
  if (shared) k.add(sum, shared_.data() + row * hidden_, hidden_);
  k.add(residual + row * hidden_, sum, hidden_);
}

void Experts::run(const MoeWeights& weights, uint32_t rows, const float* x, float* residual) {
  route(weights, rows, x);
  gather(weights, rows, x);
  mlp_.run(jobs_, outputs_.data());
  if (weights.shared) {
    const MlpJob job{&*weights.shared, {x, hidden_, nullptr}, rows, 0};
    mlp_.run(std::span(&job, 1), shared_.data());
  }
  team_.run(rows, chosen() * hidden_, [&](size_t row, unsigned thread) {
    combine(static_cast<uint32_t>(row), weights.shared.has_value(), thread, residual);
  });
}

}  // namespace baton::layers
