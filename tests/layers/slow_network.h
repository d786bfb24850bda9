// The network's slow twin: double precision, one row after the other, read from the checkpoint's
// files by the plain reader; keys and values always expanded. For small models only.
//
// Thread safety: one thread.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include "base/token.h"
#include "model/checkpoint/checkpoint.h"
#include "model/checkpoint/dequantize.h"

namespace baton::layers::testing {

using Row = std::vector<double>;

class SlowNetwork {
 public:
  explicit SlowNetwork(const checkpoint::Checkpoint& checkpoint)
      : checkpoint_(checkpoint), c_(checkpoint.config()) {}

  // Hidden rows after the final norm.
  std::vector<Row> hidden(const std::vector<TokenId>& tokens) const {
    std::vector<Row> x;
    const auto embedding = checkpoint_.embedding().value();
    for (const TokenId token : tokens) x.push_back(embedding_row(embedding, token));
    for (size_t l = 0; l < c_.num_layers; ++l) layer(l, x);
    for (Row& row : x) row = norm(row, "model.norm.weight");
    return x;
  }

  // The MTP layer's normalised rows; row i needs tokens[i + 1].
  std::vector<Row> mtp_hidden(const std::vector<Row>& hidden,
                              const std::vector<TokenId>& tokens) const {
    const std::string prefix = checkpoint::layer_prefix(c_.num_layers);
    const auto embedding = checkpoint_.mtp_embedding().value();
    std::vector<Row> x;
    for (size_t i = 0; i + 1 < tokens.size(); ++i) {
      Row pair = norm(embedding_row(embedding, tokens[i + 1]), prefix + "enorm.weight");
      const Row h = norm(hidden[i], prefix + "hnorm.weight");
      pair.insert(pair.end(), h.begin(), h.end());
      x.push_back(multiply(prefix + "eh_proj.weight", pair));
    }
    layer(c_.num_layers, x);
    for (Row& row : x) row = norm(row, prefix + "shared_head.norm.weight");
    return x;
  }

  Row logits(const Row& hidden) const { return multiply(checkpoint_.head().value(), hidden); }
  Row mtp_logits(const Row& hidden) const {
    return multiply(checkpoint_.mtp_head().value(), hidden);
  }

  // What attention adds to the residual stream. x: normalised rows at positions 0, 1, ...
  std::vector<Row> attention(size_t layer, const std::vector<Row>& x) const {
    const std::string prefix = checkpoint::layer_prefix(layer) + "self_attn.";
    std::vector<Row> queries;
    std::vector<Row> expanded;
    std::vector<Row> rope_keys;
    for (size_t p = 0; p < x.size(); ++p) {
      Row q = x[p];
      if (c_.q_lora_rank) {
        q = norm(multiply(prefix + "q_a_proj.weight", q), prefix + "q_a_layernorm.weight");
        q = multiply(prefix + "q_b_proj.weight", q);
      } else {
        q = multiply(prefix + "q_proj.weight", q);
      }
      for (size_t h = 0; h < c_.num_heads; ++h) {
        rotate(p, q.data() + h * c_.qk_head_dim() + c_.qk_nope_head_dim);
      }
      Row kv = multiply(prefix + "kv_a_proj_with_mqa.weight", x[p]);
      Row key(kv.begin() + static_cast<ptrdiff_t>(c_.kv_lora_rank), kv.end());
      rotate(p, key.data());
      kv.resize(c_.kv_lora_rank);
      queries.push_back(q);
      rope_keys.push_back(key);
      expanded.push_back(
          multiply(prefix + "kv_b_proj.weight", norm(kv, prefix + "kv_a_layernorm.weight")));
    }
    std::vector<Row> out;
    for (size_t p = 0; p < x.size(); ++p) {
      Row heads;
      for (size_t h = 0; h < c_.num_heads; ++h)
        attend(queries[p], expanded, rope_keys, p, h, heads);
      out.push_back(multiply(prefix + "o_proj.weight", heads));
    }
    return out;
  }

  Row moe(size_t layer, const Row& x) const {
    const std::string prefix = checkpoint::layer_prefix(layer) + "mlp.";
    Row out(x.size());
    for (const auto& [expert, weight] : route(layer, x)) {
      const Row y = mlp(prefix + "experts." + std::to_string(expert) + ".", x);
      for (size_t i = 0; i < out.size(); ++i) out[i] += weight * y[i];
    }
    if (c_.num_shared_experts > 0) add(out, mlp(prefix + "shared_experts.", x));
    return out;
  }

  std::vector<std::pair<size_t, double>> route(size_t layer, const Row& x) const {
    const std::string prefix = checkpoint::layer_prefix(layer) + "mlp.gate.";
    Row scores = multiply(prefix + "weight", x);
    if (c_.scoring == checkpoint::Scoring::sigmoid) {
      for (double& s : scores) s = 1 / (1 + std::exp(-s));
    } else {
      double sum = 0;
      for (double& s : scores) sum += s = std::exp(s);
      for (double& s : scores) s /= sum;
    }
    Row choices = scores;
    const bool corrected = c_.topk_method == checkpoint::TopkMethod::noaux_tc;
    if (corrected) add(choices, vector(prefix + "e_score_correction_bias"));
    if (c_.topk_method != checkpoint::TopkMethod::greedy) drop_groups(choices, corrected);
    std::vector<size_t> order = sorted(choices);
    order.resize(c_.experts_per_token);
    double sum = 0;
    for (const size_t e : order) sum += scores[e];
    std::vector<std::pair<size_t, double>> chosen;
    for (const size_t e : order) {
      chosen.emplace_back(
          e, (c_.norm_topk_prob ? scores[e] / sum : scores[e]) * c_.routed_scaling_factor);
    }
    return chosen;
  }

  Row norm(const Row& x, const std::string& weight) const {
    const Row w = vector(weight);
    double squares = 0;
    for (const double v : x) squares += v * v;
    const double scale = 1 / std::sqrt(squares / static_cast<double>(x.size()) + c_.rms_norm_eps);
    Row out(x.size());
    for (size_t i = 0; i < x.size(); ++i) out[i] = x[i] * scale * w[i];
    return out;
  }

 private:
  static void add(Row& x, const Row& y) {
    for (size_t i = 0; i < x.size(); ++i) x[i] += y[i];
  }
  static std::vector<size_t> sorted(const Row& values) {
    std::vector<size_t> order(values.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return values[a] > values[b]; });
    return order;
  }

  void drop_groups(Row& choices, bool two_best) const {
    const size_t size = choices.size() / c_.num_groups;
    Row worths;
    for (size_t g = 0; g < c_.num_groups; ++g) {
      const auto begin = choices.begin() + static_cast<ptrdiff_t>(g * size);
      Row group(begin, begin + static_cast<ptrdiff_t>(size));
      std::sort(group.rbegin(), group.rend());
      worths.push_back(group[0] + (two_best && size > 1 ? group[1] : 0));
    }
    const auto order = sorted(worths);
    for (size_t i = c_.topk_groups; i < c_.num_groups; ++i) {
      std::fill_n(choices.begin() + static_cast<ptrdiff_t>(order[i] * size), size, -INFINITY);
    }
  }

  void layer(size_t index, std::vector<Row>& x) const {
    const std::string prefix = checkpoint::layer_prefix(index);
    std::vector<Row> normed;
    for (const Row& row : x) normed.push_back(norm(row, prefix + "input_layernorm.weight"));
    const auto attended = attention(index, normed);
    for (size_t r = 0; r < x.size(); ++r) {
      add(x[r], attended[r]);
      const Row in = norm(x[r], prefix + "post_attention_layernorm.weight");
      add(x[r], c_.is_moe_layer(index) ? moe(index, in) : mlp(prefix + "mlp.", in));
    }
  }

  Row mlp(const std::string& prefix, const Row& x) const {
    Row gate = multiply(prefix + "gate_proj.weight", x);
    const Row up = multiply(prefix + "up_proj.weight", x);
    for (size_t i = 0; i < gate.size(); ++i) gate[i] *= up[i] / (1 + std::exp(-gate[i]));
    return multiply(prefix + "down_proj.weight", gate);
  }

  void attend(const Row& query, const std::vector<Row>& expanded, const std::vector<Row>& rope_keys,
              size_t p, size_t head, Row& out) const {
    const double* q = query.data() + head * c_.qk_head_dim();
    const size_t width = c_.qk_nope_head_dim + c_.v_head_dim;
    Row weights;
    for (size_t t = 0; t <= p; ++t) {
      const double* key = expanded[t].data() + head * width;
      double score = 0;
      for (size_t i = 0; i < c_.qk_nope_head_dim; ++i) score += q[i] * key[i];
      for (size_t i = 0; i < c_.qk_rope_head_dim; ++i) {
        score += q[c_.qk_nope_head_dim + i] * rope_keys[t][i];
      }
      weights.push_back(std::exp(score * c_.softmax_scale()));
    }
    const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
    for (size_t i = 0; i < c_.v_head_dim; ++i) {
      double value = 0;
      for (size_t t = 0; t <= p; ++t) {
        value += weights[t] / sum * expanded[t][head * width + c_.qk_nope_head_dim + i];
      }
      out.push_back(value);
    }
  }

  void rotate(size_t position, double* x) const {
    const double dim = static_cast<double>(c_.qk_rope_head_dim);
    for (size_t i = 0; i < c_.qk_rope_head_dim / 2; ++i) {
      double frequency = std::pow(c_.rope_theta, -2.0 * static_cast<double>(i) / dim);
      double magnitude = 1;
      if (c_.yarn) {
        const auto& y = *c_.yarn;
        const auto turn = [&](double n) {
          return dim *
                 std::log(static_cast<double>(y.original_max_position_embeddings) /
                          (2 * M_PI * n)) /
                 (2 * std::log(c_.rope_theta));
        };
        const double low = std::max(std::floor(turn(y.beta_fast)), 0.0);
        const double high = std::min(std::ceil(turn(y.beta_slow)), dim - 1);
        const double ramp = std::clamp(
            (static_cast<double>(i) - low) / (high == low ? 0.001 : high - low), 0.0, 1.0);
        frequency *= (1 - ramp) + ramp / y.factor;
        const auto m = [&](double s) {
          return y.factor <= 1 ? 1 : 0.1 * s * std::log(y.factor) + 1;
        };
        magnitude = m(y.mscale) / m(y.mscale_all_dim);
      }
      const double angle = static_cast<double>(position) * frequency;
      const double a = x[2 * i];
      const double b = x[2 * i + 1];
      x[2 * i] = magnitude * (a * std::cos(angle) - b * std::sin(angle));
      x[2 * i + 1] = magnitude * (a * std::sin(angle) + b * std::cos(angle));
    }
  }

  Row vector(const std::string& name) const {
    const auto values = checkpoint::read_all(checkpoint_.weight(name).value()).value();
    return Row(values.begin(), values.end());
  }
  Row multiply(const std::string& name, const Row& x) const {
    return multiply(checkpoint_.weight(name).value(), x);
  }
  Row multiply(const checkpoint::Weight& weight, const Row& x) const {
    auto& values = read_[weight.name];
    if (values.empty()) values = checkpoint::read_all(weight).value();
    Row out(weight.rows);
    for (size_t r = 0; r < weight.rows; ++r) {
      for (size_t c = 0; c < weight.cols; ++c) out[r] += values[r * weight.cols + c] * x[c];
    }
    return out;
  }
  Row embedding_row(const checkpoint::Weight& weight, TokenId token) const {
    std::vector<float> row(weight.cols);
    checkpoint::read_rows(weight, token, token + 1, row).value();
    return Row(row.begin(), row.end());
  }

  const checkpoint::Checkpoint& checkpoint_;
  const checkpoint::ModelConfig& c_;
  mutable std::map<std::string, std::vector<float>> read_;
};

}  // namespace baton::layers::testing
