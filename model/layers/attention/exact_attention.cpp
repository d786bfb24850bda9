#include "model/layers/attention/exact_attention.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace baton::layers {
namespace {

constexpr size_t kBlock = kPageTokens;
constexpr size_t kDecodeGroup = 64;  // rows of the decode form whose buffers exist at a time
constexpr size_t kHeadGroup = 8;     // heads that share one pass over the latents
constexpr kernels::RunningSoftmax kEmpty{-std::numeric_limits<float>::infinity(), 0};

}  // namespace

ExactAttention::ExactAttention(const checkpoint::ModelConfig& config, uint32_t tp,
                               uint32_t rows_max, kernels::Team& team,
                               checkpoint::EntryForm entries)
    : Attention(config, tp, rows_max, team), widens_(entries == checkpoint::EntryForm::bf16) {
  const size_t group = std::min<size_t>(kDecodeGroup, rows_max);
  absorbed_.resize(group * heads_ * entry_);
  attended_.resize(group * heads_ * latent_);
  expanded_.resize(group * heads_ * v_);
  prefill_.reserve(rows_max);
  const size_t items = std::max<size_t>({rows_max, kHeadGroup, kDecodeGroup});
  threads_.resize(team.pool().size());
  for (ThreadBuffers& mine : threads_) {
    mine.entries.resize(widens_ ? kBlock * entry_ : 0);
    mine.expanded.resize(std::max(kBlock * (qk_ + v_), nope_ * latent_));
    mine.scores.resize(items * kBlock);
    mine.corrections.resize(items);
    mine.counts.resize(items);
    mine.states.resize(items);
  }
}

void ExactAttention::store_entry(const float* entry, std::byte* to) const {
  if (widens_) {
    team_.kernels().tiles->store_entry(entry, entry_, 0, reinterpret_cast<uint8_t*>(to));
  } else {
    std::memcpy(to, entry, entry_ * sizeof(float));
  }
}

const float* ExactAttention::block_entries(const Pass& pass, std::span<const PageId> pages,
                                           size_t block, size_t count, unsigned thread) {
  const std::byte* entries = pass.cache.entry(pages[block], pass.layer, 0);
  if (!widens_) return reinterpret_cast<const float*>(entries);
  float* widened = threads_[thread].entries.data();
  team_.kernels().unpack({entries, nullptr, kernels::Format::bf16, 0, count * entry_}, widened);
  return widened;
}

void ExactAttention::finish(const kernels::RunningSoftmax& state, float* out, size_t n) const {
  team_.kernels().scale(out, 1 / state.sum, n);
}

// Keys [count, nope + rope] and values [count, v] of one head.
void ExactAttention::expand_block(const Pass& pass, const float* entries, size_t count, size_t head,
                                  unsigned thread) {
  const auto& k = team_.kernels();
  const auto& kv_b = pass.weights.kv_b;
  const size_t first = head * (nope_ + v_);
  float* keys = threads_[thread].expanded.data();
  float* values = keys + kBlock * qk_;
  const kernels::RowsView in{entries, entry_, nullptr};
  multiply_rows(k, in, count, kv_b, first, first + nope_, 1, team_.scratch(thread), keys, qk_);
  multiply_rows(k, in, count, kv_b, first + nope_, first + nope_ + v_, 1, team_.scratch(thread),
                values, v_);
  for (size_t t = 0; t < count; ++t) {
    std::memcpy(keys + t * qk_ + nope_, entries + t * entry_ + latent_, rope_ * sizeof(float));
  }
}

void ExactAttention::prefill_head(const Pass& pass, const Run& run, size_t head, unsigned thread) {
  const auto& k = team_.kernels();
  ThreadBuffers& mine = threads_[thread];
  std::fill_n(mine.states.begin(), run.count, kEmpty);
  float* outputs = outputs_.data() + run.row * heads_ * v_ + head * v_;
  const float* queries = queries_.data() + run.row * heads_ * qk_ + head * qk_;
  const size_t end = size_t{run.first} + run.count;  // positions
  for (size_t begin = 0; begin < end; begin += kBlock) {
    const size_t count = std::min(kBlock, end - begin);
    const float* entries = block_entries(pass, run.pages, begin / kBlock, count, thread);
    expand_block(pass, entries, count, head, thread);
    const float* keys = mine.expanded.data();
    const float* values = keys + kBlock * qk_;
    const size_t from = begin > run.first ? begin - run.first : 0;  // earlier rows don't see it
    const size_t rows = run.count - from;
    const kernels::RowsView q{queries + from * heads_ * qk_, heads_ * qk_, nullptr};
    k.dots({q, rows, keys, qk_, count, qk_, 1, mine.scores.data(), kBlock});
    for (size_t r = 0; r < rows; ++r) {
      const size_t visible = std::min(count, run.first + from + r - begin + 1);
      mine.counts[r] = static_cast<uint32_t>(visible);
      mine.corrections[r] =
          k.softmax_block(mine.scores.data() + r * kBlock, visible, scale_, &mine.states[from + r]);
    }
    k.weighted_sum({{mine.scores.data(), kBlock, nullptr},
                    mine.counts.data(),
                    mine.corrections.data(),
                    rows,
                    values,
                    v_,
                    v_,
                    outputs + from * heads_ * v_,
                    heads_ * v_});
  }
  for (size_t r = 0; r < run.count; ++r) finish(mine.states[r], outputs + r * heads_ * v_, v_);
}

void ExactAttention::prefill_runs(const Pass& pass) {
  list_runs(pass.plan, Form::prefill, prefill_);
  const auto runs = pass.plan.runs();
  const size_t work = kBlock * (nope_ + v_) * latent_;  // of one block at least
  team_.run(prefill_.size() * heads_, work, [&](size_t item, unsigned thread) {
    prefill_head(pass, runs[prefill_[item / heads_]], item % heads_, thread);
  });
}

// absorbed[slot][head] = the query in the latent space, then its rope part.
void ExactAttention::absorb_head(const Pass& pass, std::span<const uint32_t> rows, size_t head,
                                 unsigned thread) {
  const auto& k = team_.kernels();
  ThreadBuffers& mine = threads_[thread];
  for (size_t d = 0; d < nope_; ++d) {
    k.unpack(pass.weights.kv_b.row(head * (nope_ + v_) + d), mine.expanded.data() + d * latent_);
  }
  std::fill_n(mine.counts.begin(), rows.size(), static_cast<uint32_t>(nope_));
  std::fill_n(mine.corrections.begin(), rows.size(), 0.0f);
  float* out = absorbed_.data() + head * entry_;
  const float* queries = queries_.data() + head * qk_;
  k.weighted_sum({{queries, heads_ * qk_, rows.data()},
                  mine.counts.data(),
                  mine.corrections.data(),
                  rows.size(),
                  mine.expanded.data(),
                  latent_,
                  latent_,
                  out,
                  heads_ * entry_});
  for (size_t i = 0; i < rows.size(); ++i) {
    std::memcpy(out + i * heads_ * entry_ + latent_, queries + rows[i] * heads_ * qk_ + nope_,
                rope_ * sizeof(float));
  }
}

// attended[slot][head..] = the attention-weighted mean of the latents, for a few heads of a row.
void ExactAttention::attend_latent(const Pass& pass, uint32_t row, size_t slot, size_t head,
                                   size_t heads, unsigned thread) {
  const auto& k = team_.kernels();
  ThreadBuffers& mine = threads_[thread];
  std::fill_n(mine.states.begin(), heads, kEmpty);
  const kernels::RowsView q{absorbed_.data() + (slot * heads_ + head) * entry_, entry_, nullptr};
  float* out = attended_.data() + (slot * heads_ + head) * latent_;
  const size_t end = size_t{pass.plan.position(row)} + 1;
  const auto pages = pass.plan.run_of(row).pages;
  for (size_t begin = 0; begin < end; begin += kBlock) {
    const size_t count = std::min(kBlock, end - begin);
    const float* entries = block_entries(pass, pages, begin / kBlock, count, thread);
    k.dots({q, heads, entries, entry_, count, entry_, 1, mine.scores.data(), kBlock});
    for (size_t h = 0; h < heads; ++h) {
      mine.counts[h] = static_cast<uint32_t>(count);
      mine.corrections[h] =
          k.softmax_block(mine.scores.data() + h * kBlock, count, scale_, &mine.states[h]);
    }
    k.weighted_sum({{mine.scores.data(), kBlock, nullptr},
                    mine.counts.data(),
                    mine.corrections.data(),
                    heads,
                    entries,
                    entry_,
                    latent_,
                    out,
                    latent_});
  }
  for (size_t h = 0; h < heads; ++h) finish(mine.states[h], out + h * latent_, latent_);
}

void ExactAttention::decode_rows(const Pass& pass, std::span<const uint32_t> rows) {
  const size_t tokens = size_t{pass.plan.position(rows.front())} + 1;
  team_.run(heads_, rows.size() * nope_ * latent_,
            [&](size_t head, unsigned thread) { absorb_head(pass, rows, head, thread); });
  const size_t groups = (heads_ + kHeadGroup - 1) / kHeadGroup;
  team_.run(rows.size() * groups, kHeadGroup * tokens * entry_, [&](size_t item, unsigned thread) {
    const size_t head = item % groups * kHeadGroup;
    attend_latent(pass, rows[item / groups], item / groups, head,
                  std::min(kHeadGroup, heads_ - head), thread);
  });
  team_.run(heads_, rows.size() * v_ * latent_, [&](size_t head, unsigned thread) {
    const size_t first = head * (nope_ + v_) + nope_;
    multiply_rows(team_.kernels(), {attended_.data() + head * latent_, heads_ * latent_, nullptr},
                  rows.size(), pass.weights.kv_b, first, first + v_, 1, team_.scratch(thread),
                  expanded_.data() + head * v_, heads_ * v_);
  });
  for (size_t i = 0; i < rows.size(); ++i) {
    std::memcpy(outputs_.data() + rows[i] * heads_ * v_, expanded_.data() + i * heads_ * v_,
                heads_ * v_ * sizeof(float));
  }
}

void ExactAttention::attend_rows(const Pass& pass) {
  prefill_runs(pass);
  const auto rows = pass.plan.decode_rows();
  for (size_t begin = 0; begin < rows.size(); begin += kDecodeGroup) {
    decode_rows(pass, rows.subspan(begin, std::min(kDecodeGroup, rows.size() - begin)));
  }
}

}  // namespace baton::layers
