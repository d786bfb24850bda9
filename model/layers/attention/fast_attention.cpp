#include "model/layers/attention/fast_attention.h"

#include <algorithm>
#include <cstring>

#include "model/layers/attention/lanes.h"

namespace baton::layers {

FastAttention::FastAttention(const checkpoint::NumericMode& mode,
                             const checkpoint::ModelConfig& config, uint32_t tp, uint32_t rows_max,
                             kernels::Team& team)
    : Attention(config, tp, rows_max, team),
      entry_bytes_(mode.entry_bytes(config)),
      codes_(mode.entries == checkpoint::EntryForm::fp8 ? latent_ : 0),
      latents_{1, static_cast<uint32_t>(latent_)},
      head_queries_{1, static_cast<uint32_t>(nope_)} {
  const size_t group = std::min<size_t>(kDecodeGroup, rows_max);
  absorbed_.resize(group * heads_ * entry_);
  attended_.resize(group * heads_ * latent_);
  // Every row may be a run of its own, and then fills its last group and tile partly.
  const size_t groups = group * ((heads_ + kGroupLanes - 1) / kGroupLanes);
  const size_t tiles = group * ((heads_ + kLanes - 1) / kLanes);
  groups_.reserve(groups);
  spans_.reserve(kWaveSpans);
  merges_.reserve(kWaveSpans * kGroupTiles);
  states_ = Tiles(tiles, latent_);
  partials_ = Tiles(kWaveSpans * kGroupTiles, latent_);
  prefill_.reserve(rows_max);
  const size_t row_tiles = (rows_max + kLanes - 1) / kLanes;
  threads_.resize(team.pool().size());
  for (ThreadBuffers& mine : threads_) {
    mine.entries.resize(kBlock * entry_);
    const size_t rows = std::max(kBlock, group);
    mine.codes =
        kernels::Int8Buffer(larger(int8_size(rows, latents_), int8_size(rows, head_queries_)));
    mine.keys.resize(kBlock * padded(qk_, kernels::kKeyCols));
    mine.values.resize(rows * padded(v_, kernels::kValueCols));
    mine.queries.resize(std::max(row_tiles * qk_, kGroupTiles * entry_) * kLanes);
    mine.scores.resize(kGroupTiles * kBlock * kLanes);
    mine.correction.resize(kGroupTiles * kLanes);
    mine.visible.resize(kLanes);
    mine.tiles = Tiles(row_tiles, v_);
  }
}

void FastAttention::Tiles::begin(size_t tile) {
  std::fill_n(max.begin() + static_cast<ptrdiff_t>(tile * kLanes), kLanes, kernels::kNoScore);
  std::fill_n(sum.begin() + static_cast<ptrdiff_t>(tile * kLanes), kLanes, 0.0f);
  std::fill_n(out_of(tile), width * kLanes, 0.0f);
}

void FastAttention::store_entry(const float* entry, std::byte* to) const {
  team_.kernels().tiles->store_entry(entry, entry_, codes_, reinterpret_cast<uint8_t*>(to));
}

kernels::CachedEntries FastAttention::cached(const Pass& pass, const Run& run, size_t block,
                                             size_t count) const {
  const std::byte* entries = pass.cache.entry(run.pages[block], pass.layer, 0);
  return {reinterpret_cast<const uint8_t*>(entries), count, entry_, codes_};
}

// One block of the prefill form for one tile: scores, softmax, what they weigh.
void FastAttention::attend_block(size_t tile, size_t seen, size_t lanes, bool masked,
                                 ThreadBuffers& mine) const {
  const auto& k = *team_.kernels().tiles;
  float* scores = mine.scores.data();
  k.scores(
      {{mine.keys.data(), seen, qk_}, lanes, mine.queries.data() + tile * qk_ * kLanes, scores});
  k.softmax({scores, seen, lanes, masked ? mine.visible.data() : nullptr,
             mine.tiles.max.data() + tile * kLanes, mine.tiles.sum.data() + tile * kLanes,
             mine.correction.data()});
  k.values({{mine.values.data(), seen, v_},
            lanes,
            scores,
            mine.correction.data(),
            mine.tiles.out_of(tile)});
}

void FastAttention::finish_tile(Tiles& tiles, size_t tile, size_t lanes, float* out, size_t stride,
                                ThreadBuffers& mine) const {
  for (size_t lane = 0; lane < lanes; ++lane) {
    mine.correction[lane] = 1 / tiles.sum[tile * kLanes + lane];
  }
  team_.kernels().tiles->from_lanes(tiles.out_of(tile), lanes, tiles.width, mine.correction.data(),
                                    out, stride);
}

// Keys (nope + rope columns) and values of one head, of `count` positions of a block.
void FastAttention::expand_block(const Pass& pass, const Run& run, size_t block, size_t count,
                                 size_t head, ThreadBuffers& mine) const {
  const auto& k = team_.kernels();
  k.tiles->widen(cached(pass, run, block, count), mine.entries.data());
  mine.codes.shape(latents_, count);
  for (size_t t = 0; t < count; ++t) mine.codes.quantize(k, t, mine.entries.data() + t * entry_);
  // Panels of weights are rows of 32, of which a panel of keys or values holds a whole number.
  const auto expand = [&](const kernels::Matrix& weights, float* out, size_t width) {
    const size_t panels = weights.panels().shape().unit_panels();
    for (size_t p = 0; p < panels; ++p) {
      multiply_panels(k, mine.codes.rows(), count, weights.panels(), head * panels + p,
                      head * panels + p + 1, out + column(p * kernels::kInt8PanelRows, width),
                      width);
    }
  };
  expand(pass.weights.keys, mine.keys.data(), kernels::kKeyCols);
  expand(pass.weights.values, mine.values.data(), kernels::kValueCols);
  for (size_t c = 0; c < rope_; ++c) {
    float* to = mine.keys.data() + column(nope_ + c, kernels::kKeyCols);
    const float* from = mine.entries.data() + latent_ + c;
    for (size_t t = 0; t < count; ++t) to[t * kernels::kKeyCols] = from[t * entry_];
  }
}

void FastAttention::prefill_head(const Pass& pass, const Run& run, size_t head, unsigned thread) {
  const auto& k = *team_.kernels().tiles;
  ThreadBuffers& mine = threads_[thread];
  const size_t row_width = heads_ * qk_;
  const float* queries = queries_.data() + run.row * row_width + head * qk_;
  const size_t tiles = (run.count + kLanes - 1) / kLanes;
  const auto rows_of = [&](size_t tile) { return std::min(kLanes, run.count - tile * kLanes); };
  for (size_t tile = 0; tile < tiles; ++tile) {
    mine.tiles.begin(tile);
    k.to_lanes(queries + tile * kLanes * row_width, row_width, rows_of(tile), qk_, scale_,
               mine.queries.data() + tile * qk_ * kLanes);
  }
  const size_t end = size_t{run.first} + run.count;  // positions
  for (size_t begin = 0; begin < end; begin += kBlock) {
    const size_t count = std::min(kBlock, end - begin);
    expand_block(pass, run, begin / kBlock, count, head, mine);
    // Rows before the block don't see it.
    const size_t from = begin > run.first ? (begin - run.first) / kLanes : 0;
    for (size_t tile = from; tile < tiles; ++tile) {
      const size_t first = run.first + tile * kLanes;  // position of its first row
      const size_t last = first + rows_of(tile) - 1;
      const size_t seen = std::min(count, last - begin + 1);
      const bool masked = begin + seen > first + 1;
      for (size_t lane = 0; masked && lane < kLanes; ++lane) {
        mine.visible[lane] = static_cast<float>(static_cast<int64_t>(first + lane + 1) -
                                                static_cast<int64_t>(begin));
      }
      attend_block(tile, seen, padded_lanes(rows_of(tile)), masked, mine);
    }
  }
  for (size_t tile = 0; tile < tiles; ++tile) {
    float* out = outputs_.data() + (run.row + tile * kLanes) * heads_ * v_ + head * v_;
    finish_tile(mine.tiles, tile, rows_of(tile), out, heads_ * v_, mine);
  }
}

void FastAttention::prefill_runs(const Pass& pass) {
  list_runs(pass.plan, Form::prefill, prefill_);
  const auto runs = pass.plan.runs();
  const size_t work = kBlock * (nope_ + v_) * latent_;  // of one block at least
  team_.run(prefill_.size() * heads_, work, [&](size_t item, unsigned thread) {
    prefill_head(pass, runs[prefill_[item / heads_]], item % heads_, thread);
  });
}

void FastAttention::attend_rows(const Pass& pass) {
  prefill_runs(pass);
  const auto rows = pass.plan.decode_rows();
  for (size_t begin = 0; begin < rows.size(); begin += kDecodeGroup) {
    decode_rows(pass, rows.subspan(begin, std::min(kDecodeGroup, rows.size() - begin)));
  }
}

}  // namespace baton::layers
