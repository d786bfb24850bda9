#include "bench/engine/cost.h"

#include <algorithm>
#include <cmath>

namespace baton::bench {
namespace {

using checkpoint::ModelConfig;

using checkpoint::NumericMode;
using checkpoint::WeightForm;

// A weight and its part of scales.
double weight_bytes(WeightForm form) {
  switch (form) {
    case WeightForm::stored:
      return 2;
    case WeightForm::int8:
      return 1 + 2.0 / 128;
    case WeightForm::int4:
      return 0.5 + 6.0 / 128;
  }
  return 0;
}

double queries(const ModelConfig& c) {
  const auto out = static_cast<double>(c.num_heads * c.qk_head_dim());
  const auto hidden = static_cast<double>(c.hidden_size);
  if (!c.q_lora_rank) return hidden * out;
  return static_cast<double>(*c.q_lora_rank) * (hidden + out);
}

double kv_a(const ModelConfig& c) {
  return static_cast<double>(c.hidden_size * c.kv_entry_width());
}
double o_proj(const ModelConfig& c) {
  return static_cast<double>(c.hidden_size * c.num_heads * c.v_head_dim);
}
double kv_b(const ModelConfig& c) {
  return static_cast<double>(c.num_heads * (c.qk_nope_head_dim + c.v_head_dim) * c.kv_lora_rank);
}
double expert(const ModelConfig& c) {
  return 3.0 * static_cast<double>(c.hidden_size * c.moe_intermediate_size);
}
double shared(const ModelConfig& c) {
  return 3.0 * static_cast<double>(c.hidden_size * c.shared_intermediate_size());
}
double dense(const ModelConfig& c) {
  return 3.0 * static_cast<double>(c.hidden_size * c.intermediate_size);
}
double head(const ModelConfig& c) { return static_cast<double>(c.hidden_size * c.vocab_size); }

size_t moe_layers(const ModelConfig& c) {
  size_t count = 0;
  for (size_t l = 0; l < c.num_layers; ++l) count += c.is_moe_layer(l) ? 1 : 0;
  return count;
}

}  // namespace

Cost prefill_cost(const ModelConfig& c, const NumericMode& mode, size_t tokens, size_t chunk) {
  const auto layers = static_cast<double>(c.num_layers);
  const auto with_experts = static_cast<double>(moe_layers(c));
  const auto n = static_cast<double>(tokens);
  const double chosen = static_cast<double>(c.experts_per_token);
  double products =
      n * (layers * (queries(c) + kv_a(c) + o_proj(c)) +
           with_experts * (chosen * expert(c) + shared(c)) + (layers - with_experts) * dense(c));
  for (size_t end = 0; end < tokens;) {
    end = std::min(tokens, end + chunk);
    products += layers * static_cast<double>(end) * kv_b(c);
  }
  const double pair = static_cast<double>(c.num_heads * (c.qk_head_dim() + c.v_head_dim));
  const double router = static_cast<double>(c.hidden_size * c.num_routed_experts);
  const double flops = layers * n * (n + 1) / 2 * pair + with_experts * n * router;
  return {mode.packed() ? 2 * products : 0, mode.packed() ? 0 : 2 * products, 2 * flops, 0};
}

Cost decode_cost(const ModelConfig& c, const NumericMode& mode, size_t batch, size_t context,
                 size_t rows_each) {
  const auto layers = static_cast<double>(c.num_layers);
  const auto with_experts = static_cast<double>(moe_layers(c));
  const auto sequences = static_cast<double>(batch);
  const double rows = sequences * static_cast<double>(rows_each);
  const auto experts = static_cast<double>(c.num_routed_experts);
  const double touched =
      experts * (1 - std::pow(1 - static_cast<double>(c.experts_per_token) / experts, rows));
  const double chosen = rows * static_cast<double>(c.experts_per_token);
  const double each = layers * (queries(c) + kv_a(c) + o_proj(c) + kv_b(c)) +
                      with_experts * shared(c) + (layers - with_experts) * dense(c) + head(c);
  const auto positions = static_cast<double>(context);
  const double entry = static_cast<double>(c.kv_entry_width());
  const double entry_bytes = static_cast<double>(mode.entry_bytes(c));
  const double routers = with_experts * 2 * experts * static_cast<double>(c.hidden_size);
  Cost cost;
  cost.bytes = each * weight_bytes(mode.weights) +
               with_experts * touched * expert(c) * weight_bytes(mode.experts) + routers +
               layers * sequences * positions * entry_bytes;
  const double products = 2 * (rows * each + with_experts * chosen * expert(c));
  (mode.packed() ? cost.int8_ops : cost.product_flops) = products;
  cost.fp32_flops = 2 * layers * rows * positions * static_cast<double>(c.num_heads) *
                    (entry + static_cast<double>(c.kv_lora_rank));
  return cost;
}

Cost draft_cost(const ModelConfig& c, const NumericMode& mode, size_t batch, size_t context) {
  ModelConfig layer = c;
  layer.num_layers = 1;
  layer.first_k_dense_replace = 0;
  Cost cost = decode_cost(layer, mode, batch, context);
  const double projection = 2.0 * static_cast<double>(c.hidden_size * c.hidden_size);
  cost.bytes += projection * weight_bytes(mode.weights);
  (mode.packed() ? cost.int8_ops : cost.product_flops) +=
      2 * static_cast<double>(batch) * projection;
  return cost;
}

double prefill_seconds(const Cost& cost, const Peaks& peaks) {
  return cost.int8_ops / peaks.int8_ops + (cost.product_flops + cost.fp32_flops) / peaks.fp32_flops;
}

double decode_seconds(const Cost& cost, const Peaks& peaks) {
  const double products = cost.int8_ops / peaks.int8_ops + cost.product_flops / peaks.fp32_flops;
  return std::max(cost.bytes / peaks.read_bytes, products) + cost.fp32_flops / peaks.fp32_flops;
}

}  // namespace baton::bench
