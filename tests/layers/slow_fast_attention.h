// FastAttention's slow twin: the definitions of kernels/int8 and kernels/tiles read literally, one
// number after the other, for rows at positions 0, 1, ... of one sequence. Its results are the
// ones, to the bit.
//
// Thread safety: one thread.
#pragma once

#include <cstring>

#include "model/checkpoint/dequantize.h"
#include "model/layers/rope.h"
#include "tests/kernels/slow_e4m3.h"
#include "tests/kernels/slow_int8.h"

namespace baton::layers::testing {

using kernels::Contraction;
using kernels::testing::SlowRow;
using Floats = std::vector<float>;

// A weight's quantised rows.
class SlowWeight {
 public:
  SlowWeight() = default;
  SlowWeight(const std::vector<Floats>& rows, unsigned segments)
      : contraction_{segments, static_cast<uint32_t>(rows.front().size() / segments)} {
    for (const Floats& row : rows) {
      rows_.push_back(kernels::testing::slow_quantize_weights(row.data(), contraction_));
    }
  }
  Floats multiply(const float* x) const {
    const SlowRow in = kernels::testing::slow_quantize(x, contraction_);
    Floats out;
    for (const SlowRow& row : rows_) {
      out.push_back(kernels::testing::slow_product(in, row, contraction_));
    }
    return out;
  }

 private:
  Contraction contraction_;
  std::vector<SlowRow> rows_;
};

class SlowFastAttention {
 public:
  SlowFastAttention(const checkpoint::Checkpoint& checkpoint, size_t layer, bool fp8 = false)
      : checkpoint_(checkpoint),
        c_(checkpoint.config()),
        prefix_(checkpoint::layer_prefix(layer) + "self_attn."),
        fp8_(fp8),
        rope_(c_) {
    kv_a_ = weight("kv_a_proj_with_mqa.weight");
    o_ = weight("o_proj.weight", static_cast<unsigned>(std::gcd(c_.num_heads, size_t{8})));
    if (c_.q_lora_rank) q_a_ = weight("q_a_proj.weight");
    q_ = weight(c_.q_lora_rank ? "q_b_proj.weight" : "q_proj.weight");
    const auto kv_b = rows("kv_b_proj.weight");
    const size_t both = c_.qk_nope_head_dim + c_.v_head_dim;
    for (size_t head = 0; head < c_.num_heads; ++head) {
      const auto begin = kv_b.begin() + static_cast<ptrdiff_t>(head * both);
      const auto middle = begin + static_cast<ptrdiff_t>(c_.qk_nope_head_dim);
      const std::vector<Floats> keys(begin, middle);
      keys_.emplace_back(keys, 1);
      values_.emplace_back(std::vector<Floats>(middle, begin + static_cast<ptrdiff_t>(both)), 1);
      std::vector<Floats> turned(c_.kv_lora_rank);
      for (const Floats& key : keys) {
        for (size_t l = 0; l < turned.size(); ++l) turned[l].push_back(key[l]);
      }
      absorb_.emplace_back(turned, 1);
    }
  }

  // The stored entry of a position, as its BF16 values.
  Floats entry(const float* x, Position position) const {
    Floats entry = kv_a_.multiply(x);
    norm(entry, c_.kv_lora_rank, "kv_a_layernorm.weight");
    turn(entry.data() + c_.kv_lora_rank, position);
    const size_t codes = fp8_ ? c_.kv_lora_rank : 0;
    for (size_t i = 0; i < codes; i += 128) {
      baton::testing::round_to_e4m3(std::span(entry).subspan(i, std::min<size_t>(128, codes - i)));
    }
    for (float& value : std::span(entry).subspan(codes)) {
      const auto bits = std::bit_cast<uint32_t>(value);
      value = std::bit_cast<float>((bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000);
    }
    return entry;
  }

  // What a row adds to the residual stream; entries: of positions 0..position.
  Floats attend(const float* x, Position position, bool prefill_form,
                const std::vector<Floats>& entries) {
    Floats query(x, x + c_.hidden_size);
    if (c_.q_lora_rank) {
      query = q_a_.multiply(query.data());
      norm(query, query.size(), "q_a_layernorm.weight");
    }
    query = q_.multiply(query.data());
    Floats outputs;
    for (size_t head = 0; head < c_.num_heads; ++head) {
      float* q = query.data() + head * c_.qk_head_dim();
      turn(q + c_.qk_nope_head_dim, position);
      const Floats out = prefill_form ? prefill_head(head, q, position, entries)
                                      : decode_head(head, q, position, entries);
      outputs.insert(outputs.end(), out.begin(), out.end());
    }
    return o_.multiply(outputs.data());
  }

 private:
  struct State {
    float max = kernels::kNoScore;
    float sum = 0;
    Floats out;
  };

  std::vector<Floats> rows(const std::string& name) const {
    const auto weight = checkpoint_.weight(prefix_ + name).value();
    const auto all = checkpoint::read_all(weight).value();
    std::vector<Floats> rows;
    for (size_t r = 0; r < weight.rows; ++r) {
      rows.emplace_back(all.begin() + static_cast<ptrdiff_t>(r * weight.cols),
                        all.begin() + static_cast<ptrdiff_t>((r + 1) * weight.cols));
    }
    return rows;
  }
  SlowWeight weight(const std::string& name, unsigned segments = 1) const {
    return {rows(name), segments};
  }
  void norm(Floats& x, size_t n, const std::string& name) const {
    const auto weight = checkpoint::read_all(checkpoint_.weight(prefix_ + name).value()).value();
    kernels::kernels_for(kernels::Isa::portable)
        ->rms_norm(x.data(), weight.data(), n, static_cast<float>(c_.rms_norm_eps), x.data());
  }
  void turn(float* x, Position position) const {
    Floats cos(rope_.pairs());
    Floats sin(rope_.pairs());
    rope_.angles(position, cos, sin);
    rotate(cos, sin, x);
  }
  static float exp(float x) {
    float out = 0;
    kernels::kernels_for(kernels::Isa::portable)->exp_sum(&x, 0, 1, &out);
    return out;
  }

  // One block of 64 positions from `begin` on, as far as the row sees it.
  template <class Key, class Value>
  void block(State& state, const Floats& query, size_t begin, size_t end, Key&& key,
             Value&& value) const {
    Floats scores;
    for (size_t t = begin; t < end; ++t) {
      float score = 0;
      for (size_t d = 0; d < query.size(); ++d) score = std::fma(key(t)[d], query[d], score);
      scores.push_back(score);
    }
    const float most = std::max(state.max, *std::max_element(scores.begin(), scores.end()));
    const float correction = exp(state.max - most);
    float total = 0;
    for (float& score : scores) total += score = exp(score - most);
    state.sum = std::fma(state.sum, correction, total);
    state.max = most;
    for (size_t i = 0; i < state.out.size(); ++i) {
      state.out[i] *= correction;
      for (size_t t = begin; t < end; ++t) {
        state.out[i] = std::fma(value(t)[i], scores[t - begin], state.out[i]);
      }
    }
  }

  Floats prefill_head(size_t head, const float* q, Position position,
                      const std::vector<Floats>& entries) {
    expand(entries);
    Floats query(q, q + c_.qk_head_dim());
    for (float& value : query) value *= static_cast<float>(c_.softmax_scale());
    State state{.out = Floats(c_.v_head_dim)};
    for (size_t begin = 0; begin <= position; begin += 64) {
      block(
          state, query, begin, std::min<size_t>(begin + 64, position + 1),
          [&](size_t t) -> const Floats& { return expanded_keys_[t][head]; },
          [&](size_t t) -> const Floats& { return expanded_values_[t][head]; });
    }
    for (float& value : state.out) value *= 1 / state.sum;
    return state.out;
  }

  Floats decode_head(size_t head, const float* q, Position position,
                     const std::vector<Floats>& entries) const {
    Floats query = absorb_[head].multiply(q);
    query.insert(query.end(), q + c_.qk_nope_head_dim, q + c_.qk_head_dim());
    for (float& value : query) value *= static_cast<float>(c_.softmax_scale());
    State all;
    for (size_t span = 0; span <= position; span += 128) {
      State part{.out = Floats(c_.kv_lora_rank)};
      for (size_t begin = span; begin <= position && begin < span + 128; begin += 64) {
        const auto entry = [&](size_t t) -> const Floats& { return entries[t]; };
        block(part, query, begin, std::min<size_t>(begin + 64, position + 1), entry, entry);
      }
      if (span == 0) {
        all = part;
        continue;
      }
      const float most = std::max(all.max, part.max);
      const float c = exp(all.max - most);
      const float d = exp(part.max - most);
      all.sum = std::fma(part.sum, d, all.sum * c);
      all.max = most;
      for (size_t i = 0; i < all.out.size(); ++i) {
        all.out[i] = std::fma(part.out[i], d, all.out[i] * c);
      }
    }
    for (float& value : all.out) value *= 1 / all.sum;
    return values_[head].multiply(all.out.data());
  }

  // Keys and values of positions that have none yet.
  void expand(const std::vector<Floats>& entries) {
    for (size_t t = expanded_keys_.size(); t < entries.size(); ++t) {
      auto& keys = expanded_keys_.emplace_back();
      auto& values = expanded_values_.emplace_back();
      for (size_t head = 0; head < c_.num_heads; ++head) {
        keys.push_back(keys_[head].multiply(entries[t].data()));
        keys.back().insert(keys.back().end(),
                           entries[t].begin() + static_cast<ptrdiff_t>(c_.kv_lora_rank),
                           entries[t].end());
        values.push_back(values_[head].multiply(entries[t].data()));
      }
    }
  }

  const checkpoint::Checkpoint& checkpoint_;
  const checkpoint::ModelConfig& c_;
  std::string prefix_;
  bool fp8_;  // the latent part of entries
  Rope rope_;
  SlowWeight kv_a_, q_a_, q_, o_;
  std::vector<SlowWeight> keys_, values_, absorb_;    // [heads]
  std::vector<std::vector<Floats>> expanded_keys_;    // [positions][heads]
  std::vector<std::vector<Floats>> expanded_values_;  // [positions][heads]
};

}  // namespace baton::layers::testing
