#include "model/layers/network.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "base/result.h"

namespace baton::layers {
namespace {

// Columns of the widest matrix.
size_t cols_max(const checkpoint::ModelConfig& c) {
  return std::max({2 * c.hidden_size, c.q_lora_rank.value_or(0), c.kv_lora_rank,
                   c.num_heads * c.v_head_dim, c.intermediate_size, c.moe_intermediate_size,
                   c.shared_intermediate_size()});
}

MlpLimits mlp_limits(const checkpoint::ModelConfig& c, size_t rows, bool routed_shared) {
  const size_t width = std::max(c.moe_intermediate_size, c.shared_intermediate_size());
  const size_t pairs = routed_shared ? (c.experts_per_token + 1) * width
                                     : c.experts_per_token * c.moe_intermediate_size;
  return {.rows = rows * (c.experts_per_token + (routed_shared ? 1 : 0)),
          .values = rows * std::max({c.intermediate_size, pairs, c.shared_intermediate_size()}),
          .width = std::max(c.intermediate_size, width),
          .hidden = c.hidden_size};
}

// Of a pass's rows, for the products that a Team makes of them.
kernels::Int8Size quantised_size(const checkpoint::NumericMode& mode,
                                 const checkpoint::ModelConfig& c, size_t rows) {
  if (!mode.packed()) return {};
  const auto segments = static_cast<unsigned>(std::gcd(c.num_heads, size_t{kernels::kSegmentsMax}));
  const auto size = [&](size_t cols, unsigned parts) {
    return kernels::int8_size(rows, {parts, static_cast<uint32_t>(cols / parts)});
  };
  return kernels::larger(
      kernels::larger(size(2 * c.hidden_size, 1), size(c.q_lora_rank.value_or(0), 1)),
      size(c.num_heads * c.v_head_dim, segments));
}

uint32_t slots_of_rank(const Network::Placements& placements) {
  for (const auto& placement : placements) {
    if (placement) return placement->slots_per_rank();
  }
  return 1;
}

constexpr parallel::Tag kGroupTag = 8;

// Rows for several ranks of another host cross to it once.
bool two_stages(const parallel::Topology& topology) {
  return topology.hosts() > 1 && topology.ranks_per_host() > 1;
}

parallel::Nearness nearness(const parallel::Topology& topology) {
  return two_stages(topology) ? parallel::Nearness::own_host : parallel::Nearness::any_host;
}

}  // namespace

Network::Network(const checkpoint::ModelConfig& config, Weights weights, Placements placements,
                 const NetworkSetup& setup, const parallel::Topology& topology,
                 parallel::Port& port, const kernels::Kernels& kernels, ThreadPool& pool)
    : config_(config),
      weights_(std::move(weights)),
      topology_(topology),
      rank_(port.rank()),
      slots_per_rank_(slots_of_rank(placements)),
      group_(port, topology.tp(), kGroupTag),
      rope_(config),
      team_(kernels, pool, kernels::panel_floats(cols_max(config)),
            quantised_size(setup.mode, config, setup.rows_max)),
      attention_(make_attention(setup.mode, config, topology.tp(), setup.rows_max, team_)),
      mlp_(make_mlp(setup.mode, team_, mlp_limits(config, setup.rows_max, setup.routed_shared))),
      experts_(config,
               {.rows_max = setup.rows_max,
                .batches = setup.batches,
                .ranks_per_host = two_stages(topology) ? topology.ranks_per_host() : 0,
                .routed_shared = setup.routed_shared,
                .slots_per_rank = slots_per_rank_},
               port, team_, *mlp_),
      eps_(static_cast<float>(config.rms_norm_eps)),
      x_(setup.rows_max * config.hidden_size),
      normed_(setup.rows_max * config.hidden_size),
      update_(setup.rows_max * config.hidden_size),
      hidden_(setup.rows_max * config.hidden_size),
      pairs_(config.mtp_layers * setup.rows_max * 2 * config.hidden_size),
      mtp_x_(config.mtp_layers * setup.rows_max * config.hidden_size),
      slot_tokens_(config.num_cache_layers() * slots_per_rank_) {
  for (const auto& placement : placements) {
    auto& choice = replicas_.emplace_back();
    if (placement) choice.emplace(*placement, topology_, rank_, nearness(topology_));
  }
}

void Network::place(uint32_t layer, const parallel::ExpertPlacement& placement,
                    std::span<Arrival> arrivals) {
  replicas_[layer].emplace(placement, topology_, rank_, nearness(topology_));
  LayerWeights& weights =
      layer < weights_.layers.size() ? weights_.layers[layer] : weights_.mtp->layer;
  for (Arrival& arrival : arrivals) {
    check(placement.rank_of(arrival.slot) == rank_, "weights arrive at their slot's rank");
    weights.moe->slots[arrival.slot % slots_per_rank_] = std::move(arrival.weights);
  }
}

void Network::take_slot_tokens(std::vector<uint32_t>& to) {
  to.clear();
  for (size_t layer = 0; layer < replicas_.size(); ++layer) {
    if (!replicas_[layer]) continue;
    const auto counts = std::span(slot_tokens_).subspan(layer * slots_per_rank_, slots_per_rank_);
    to.insert(to.end(), counts.begin(), counts.end());
    std::ranges::fill(counts, 0);
  }
}

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

void Network::write_entries(const LayerWeights& layer, uint32_t index, const Batch& batch,
                            kvcache::PoolMemory& cache) {
  const float* x = at(normed_, batch);
  norm(at(x_, batch), own(batch), layer.attention_norm, at(normed_, batch));
  attention_->write_entries(layer.attention, *batch.plan, batch.bounds[group_.index()], own(batch),
                            x, cache, index);
}

// The attention of a micro-batch: normed_ holds what write_entries left there.
void Network::attend(const LayerWeights& layer, uint32_t index, const Batch& batch,
                     kvcache::PoolMemory& cache) {
  if (batch.plan->rows() == 0) return;
  float* inputs = attention_->query_inputs(layer.attention, batch.bounds[group_.index()],
                                           own(batch), at(normed_, batch));
  // Whoever has all inputs also sees all entries: they were written before.
  group_.gather(batch.bounds, attention_->input_width() * sizeof(float),
                reinterpret_cast<std::byte*>(inputs));
  experts_.progress();  // the other micro-batch's
  attention_->attend(layer.attention, *batch.plan, cache, index, update_.data());
  experts_.progress();
  add_parts(batch);
}

// x += the tree of the ranks' partial sums, each rank for its own rows.
void Network::add_parts(const Batch& batch) {
  const size_t n = config_.hidden_size;
  const auto& k = team_.kernels();
  const auto parts = group_.scatter(batch.bounds, n * sizeof(float),
                                    reinterpret_cast<const std::byte*>(update_.data()));
  float* x = at(x_, batch);
  team_.run(own(batch), n * parts.size(), [&](size_t row, unsigned) {
    const auto part = [&](size_t t) {
      return const_cast<float*>(reinterpret_cast<const float*>(parts[t])) + row * n;
    };
    for (size_t step = 1; step < parts.size(); step *= 2) {
      for (size_t t = 0; t < parts.size(); t += 2 * step) k.add(part(t), part(t + step), n);
    }
    k.add(x + row * n, part(0), n);
  });
}

// The second half of a layer, up to the rows' leave for their experts.
void Network::start_mlp(const LayerWeights& layer, uint32_t index, uint32_t number,
                        const Batch& batch) {
  const size_t n = config_.hidden_size;
  const uint32_t rows = own(batch);
  float* normed = at(normed_, batch);
  norm(at(x_, batch), rows, layer.mlp_norm, normed);
  if (layer.moe) {
    experts_.start(number, *layer.moe, *replicas_[index], batch.sources, rows, normed);
    if (observer_ != nullptr) {
      observer_->routed(index, experts_.chosen_experts(number), experts_.chosen_weights(number));
    }
    return;
  }
  const MlpJob job{&layer.dense, {normed, n, nullptr}, rows, 0};
  mlp_->run(std::span(&job, 1), update_.data());
  float* x = at(x_, batch);
  team_.run(rows, n,
            [&](size_t r, unsigned) { team_.kernels().add(x + r * n, update_.data() + r * n, n); });
}

void Network::compute_experts(const LayerWeights& layer, uint32_t index, uint32_t number) {
  experts_.compute(number, *layer.moe);
  const auto rows = experts_.rows_by_slot();
  for (size_t slot = 0; slot < rows.size(); ++slot) {
    slot_tokens_[size_t{index} * slots_per_rank_ + slot] += rows[slot];
  }
}

// With two micro-batches, layer l is: attention of A, A leaves; B's rows of layer l - 1 come home;
// attention of B, B leaves; experts of A, A's results leave; experts of B, B's results leave.
std::span<const float> Network::forward(std::span<const TokenId> tokens,
                                        std::span<const Batch> batches, kvcache::PoolMemory& cache,
                                        const LayerDone& layer_done) {
  const size_t values = tokens.size() * config_.hidden_size;
  const auto show = [&](size_t stage, const std::vector<float>& rows) {
    if (observer_ != nullptr) observer_->residual(stage, std::span(rows).first(values));
  };
  uint32_t told = 0;
  const auto tell = [&](uint32_t layers) {
    for (; told < layers; ++told) {
      if (layer_done) layer_done(told);
    }
  };
  embed(weights_.embedding, tokens, x_.data());
  show(0, x_);
  bool away = false;  // rows of the layer before are still at their experts
  for (uint32_t l = 0; l < weights_.layers.size(); ++l) {
    const LayerWeights& layer = weights_.layers[l];
    for (uint32_t b = 0; b < batches.size(); ++b) {
      if (away) experts_.combine(b, at(x_, batches[b]));
      write_entries(layer, l, batches[b], cache);
      attend(layer, l, batches[b], cache);
      start_mlp(layer, l, b, batches[b]);
    }
    away = layer.moe.has_value();
    if (!away) {
      if (topology_.ranks() == 1) tell(l + 1);
      show(l + 1, x_);
      continue;
    }
    for (uint32_t b = 0; b < batches.size(); ++b) {
      compute_experts(layer, l, b);
      // Every rank's rows have left its attention of the last micro-batch.
      if (b + 1 == batches.size()) tell(l + 1);
    }
    if (observer_ != nullptr) {
      for (uint32_t b = 0; b < batches.size(); ++b) experts_.combine(b, at(x_, batches[b]));
      away = false;
      show(l + 1, x_);
    }
  }
  for (uint32_t b = 0; away && b < batches.size(); ++b) experts_.combine(b, at(x_, batches[b]));
  norm(x_.data(), tokens.size(), weights_.final_norm, hidden_.data());
  show(weights_.layers.size() + 1, hidden_);
  return std::span(hidden_).first(values);
}

void Network::mtp_entries(std::span<const float> hidden, std::span<const uint32_t> sources,
                          std::span<const TokenId> next, const RowPlan& plan,
                          kvcache::PoolMemory& cache) {
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
    k.rms_norm(hidden.data() + sources[r] * n, mtp.hidden_norm.data(), n, eps_, pair + n);
  });
  team_.multiply({pairs_.data(), 2 * n, nullptr}, plan.rows(), mtp.projection, mtp_x_.data(), n);
  norm(mtp_x_.data(), plan.rows(), mtp.layer.attention_norm, normed_.data());
  attention_->write_entries(mtp.layer.attention, plan, 0, plan.rows(), normed_.data(), cache,
                            static_cast<uint32_t>(config_.num_layers));
}

std::span<const float> Network::mtp_hidden(std::span<const uint32_t> rows, const Batch& batch,
                                           kvcache::PoolMemory& cache) {
  check(rows.size() == own(batch), "a batch has a row for each drafting row");
  const MtpWeights& mtp = *weights_.mtp;
  const auto index = static_cast<uint32_t>(config_.num_layers);
  const size_t n = config_.hidden_size;
  for (size_t i = 0; i < rows.size(); ++i) {
    std::copy_n(mtp_x_.begin() + static_cast<ptrdiff_t>(rows[i] * n), n,
                x_.begin() + static_cast<ptrdiff_t>(i * n));
  }
  norm(x_.data(), rows.size(), mtp.layer.attention_norm, normed_.data());
  attend(mtp.layer, index, batch, cache);
  start_mlp(mtp.layer, index, 0, batch);
  if (mtp.layer.moe) {
    compute_experts(mtp.layer, index, 0);
    experts_.combine(0, x_.data());
  }
  norm(x_.data(), rows.size(), mtp.head_norm, update_.data());
  return std::span(update_).first(rows.size() * n);
}

void Network::logits(const kernels::RowsView& hidden, size_t count, float* out) {
  team_.multiply(hidden, count, weights_.head, out, config_.vocab_size);
}

void Network::mtp_logits(const kernels::RowsView& hidden, size_t count, float* out) {
  team_.multiply(hidden, count, weights_.mtp->head, out, config_.vocab_size);
}

}  // namespace baton::layers
