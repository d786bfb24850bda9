// The decode form of FastAttention: lanes of (row, head) attend to the latents themselves.
#include <algorithm>
#include <cstring>

#include "model/layers/attention/fast_attention.h"
#include "model/layers/attention/lanes.h"

namespace baton::layers {

// absorbed[slot][head] = the query in the latent space, then its rope part.
void FastAttention::absorb_head(const Pass& pass, std::span<const uint32_t> rows, size_t head,
                                unsigned thread) {
  const auto& k = team_.kernels();
  ThreadBuffers& mine = threads_[thread];
  mine.codes.shape(head_queries_, rows.size());
  const float* queries = queries_.data() + head * qk_;
  float* out = absorbed_.data() + head * entry_;
  for (size_t i = 0; i < rows.size(); ++i) {
    const float* query = queries + rows[i] * heads_ * qk_;
    mine.codes.quantize(k, i, query);
    std::memcpy(out + i * heads_ * entry_ + latent_, query + nope_, rope_ * sizeof(float));
  }
  const kernels::Panels& weights = pass.weights.absorb.panels();
  const size_t panels = weights.shape().unit_panels();
  multiply_panels(k, mine.codes.rows(), rows.size(), weights, head * panels, (head + 1) * panels,
                  out, heads_ * entry_);
}

// Rows of one run that follow one another make a stretch of lanes, in the order (row, head).
void FastAttention::list_groups(const Pass& pass, std::span<const uint32_t> rows) {
  groups_.clear();
  size_t tile = 0;
  for (size_t begin = 0, end = 0; begin < rows.size(); begin = end) {
    const Run& run = pass.plan.run_of(rows[begin]);
    for (end = begin + 1; end < rows.size(); ++end) {
      if (rows[end] != rows[end - 1] + 1 || &pass.plan.run_of(rows[end]) != &run) break;
    }
    const size_t lanes = (end - begin) * heads_;
    for (size_t lane = 0; lane < lanes; lane += kGroupLanes) {
      LaneGroup group{&run,
                      begin * heads_ + lane,
                      std::min(kGroupLanes, lanes - lane),
                      pass.plan.position(rows[begin]),
                      lane,
                      tile,
                      0};
      tile += (group.lanes + kLanes - 1) / kLanes;
      group.spans = lane_position(group, group.lanes - 1) / kSpan + 1;
      groups_.push_back(group);
    }
  }
}

Position FastAttention::lane_position(const LaneGroup& group, size_t lane) const {
  return group.first + static_cast<Position>((group.first_lane + lane) / heads_);
}

size_t FastAttention::lanes_of(const LaneGroup& group, size_t tile) const {
  return std::min(kLanes, group.lanes - tile * kLanes);
}

// What the tiles of a group see of a block that begins at position `begin`.
kernels::TileEntries FastAttention::seen_entries(const Pass& pass, const LaneGroup& group,
                                                 size_t begin, size_t end) const {
  kernels::TileEntries seen{
      cached(pass, *group.run, begin / kBlock, std::min(kBlock, end - begin)),
      begin + kBlock < end ? cached(pass, *group.run, begin / kBlock + 1, 0).data : nullptr,
      (group.lanes + kLanes - 1) / kLanes,
      {},
      {}};
  for (size_t tile = 0; tile < seen.tiles; ++tile) {
    const size_t lanes = lanes_of(group, tile);
    const size_t last = lane_position(group, tile * kLanes + lanes - 1);
    seen.lanes[tile] = padded_lanes(lanes);
    seen.seen[tile] = last < begin ? 0 : std::min(kBlock, last + 1 - begin);
  }
  return seen;
}

// One block for one tile: its scores become weights.
void FastAttention::weigh(const LaneGroup& group, size_t tile, size_t begin, size_t seen,
                          Tiles& out, size_t at, ThreadBuffers& mine) const {
  const size_t lanes = lanes_of(group, tile);
  const bool masked = begin + seen > lane_position(group, tile * kLanes) + 1;
  for (size_t lane = 0; masked && lane < kLanes; ++lane) {
    const size_t position = lane_position(group, tile * kLanes + std::min(lane, lanes - 1));
    mine.visible[lane] =
        static_cast<float>(static_cast<int64_t>(position + 1) - static_cast<int64_t>(begin));
  }
  team_.kernels().tiles->softmax({mine.scores.data() + tile * kBlock * kLanes, seen,
                                  padded_lanes(lanes), masked ? mine.visible.data() : nullptr,
                                  out.max.data() + at * kLanes, out.sum.data() + at * kLanes,
                                  mine.correction.data() + tile * kLanes});
}

// The first span goes where the group's state is, a later one beside it, to be merged.
void FastAttention::attend_span(const Pass& pass, const SpanItem& item, size_t slot,
                                unsigned thread) {
  const LaneGroup& group = groups_[item.group];
  const auto& k = *team_.kernels().tiles;
  ThreadBuffers& mine = threads_[thread];
  Tiles& out = item.span == 0 ? states_ : partials_;
  const size_t at = item.span == 0 ? group.tile : slot * kGroupTiles;
  for (size_t tile = 0; tile * kLanes < group.lanes; ++tile) {
    out.begin(at + tile);
    k.to_lanes(absorbed_.data() + (group.lane + tile * kLanes) * entry_, entry_,
               lanes_of(group, tile), entry_, scale_, mine.queries.data() + tile * entry_ * kLanes);
  }
  const size_t last = lane_position(group, group.lanes - 1);
  const size_t end = std::min((item.span + 1) * kSpan, last + 1);
  for (size_t begin = item.span * kSpan; begin < end; begin += kBlock) {
    const kernels::TileEntries entries = seen_entries(pass, group, begin, end);
    k.entry_scores({entries, mine.queries.data(), mine.scores.data()});
    for (size_t tile = 0; tile < entries.tiles; ++tile) {
      if (const size_t seen = entries.seen[tile]; seen != 0) {
        weigh(group, tile, begin, seen, out, at + tile, mine);
      }
    }
    k.entry_values({entries, latent_, mine.scores.data(), mine.correction.data(), out.out_of(at)});
  }
}

void FastAttention::finish_group_tile(const LaneGroup& group, size_t tile, unsigned thread) {
  finish_tile(states_, group.tile + tile, lanes_of(group, tile),
              attended_.data() + (group.lane + tile * kLanes) * latent_, latent_, threads_[thread]);
}

// Merges one tile of a group's spans of this wave, in their order.
void FastAttention::merge_tile(const MergeItem& item, unsigned thread) {
  const LaneGroup& group = groups_[item.group];
  const size_t state = group.tile + item.tile;
  bool done = false;
  for (size_t i = 0; i < spans_.size(); ++i) {
    if (spans_[i].group != item.group) continue;
    done = spans_[i].span + 1 == group.spans;
    if (spans_[i].span == 0) continue;
    const size_t part = i * kGroupTiles + item.tile;
    team_.kernels().tiles->merge(
        {states_.out_of(state), partials_.out_of(part), latent_,
         padded_lanes(lanes_of(group, item.tile)), states_.max.data() + state * kLanes,
         states_.sum.data() + state * kLanes, partials_.max.data() + part * kLanes,
         partials_.sum.data() + part * kLanes});
  }
  if (done) finish_group_tile(group, item.tile, thread);
}

void FastAttention::attend_wave(const Pass& pass) {
  team_.run(spans_.size(), kSpan * kLanes * entry_,
            [&](size_t i, unsigned thread) { attend_span(pass, spans_[i], i, thread); });
  merges_.clear();
  for (size_t i = 0; i < spans_.size(); ++i) {
    const size_t group = spans_[i].group;
    if (i != 0 && spans_[i - 1].group == group) continue;
    for (size_t tile = 0; tile * kLanes < groups_[group].lanes; ++tile) {
      merges_.push_back({group, tile});
    }
  }
  team_.run(merges_.size(), kLanes * latent_,
            [&](size_t i, unsigned thread) { merge_tile(merges_[i], thread); });
  spans_.clear();
}

// The values of what a head has attended to.
void FastAttention::expand_head(const Pass& pass, std::span<const uint32_t> rows, size_t head,
                                unsigned thread) {
  const auto& k = team_.kernels();
  ThreadBuffers& mine = threads_[thread];
  mine.codes.shape(latents_, rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    mine.codes.quantize(k, i, attended_.data() + (i * heads_ + head) * latent_);
  }
  const kernels::Panels& weights = pass.weights.values.panels();
  const size_t panels = weights.shape().unit_panels();
  multiply_panels(k, mine.codes.rows(), rows.size(), weights, head * panels, (head + 1) * panels,
                  mine.values.data(), v_);
  for (size_t i = 0; i < rows.size(); ++i) {
    std::memcpy(outputs_.data() + (rows[i] * heads_ + head) * v_, mine.values.data() + i * v_,
                v_ * sizeof(float));
  }
}

void FastAttention::decode_rows(const Pass& pass, std::span<const uint32_t> rows) {
  team_.run(heads_, rows.size() * nope_ * latent_,
            [&](size_t head, unsigned thread) { absorb_head(pass, rows, head, thread); });
  list_groups(pass, rows);
  for (size_t group = 0; group < groups_.size(); ++group) {
    for (size_t span = 0; span < groups_[group].spans; ++span) {
      spans_.push_back({group, span});
      if (spans_.size() == kWaveSpans) attend_wave(pass);
    }
  }
  if (!spans_.empty()) attend_wave(pass);
  team_.run(heads_, rows.size() * v_ * latent_,
            [&](size_t head, unsigned thread) { expand_head(pass, rows, head, thread); });
}

}  // namespace baton::layers
