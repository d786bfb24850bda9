// FastAttention: how rows attend in mode `fast`: BF16 or FP8 entries, INT8 kv_b, float32 in
// between, with one query row, or one head of a row, a lane (kernels/tiles).
//
// prefill form, a head of a run at a time: block by block, the stored latents are quantised and
// expanded to keys and values; tiles of 32 rows attend to them, those above the diagonal left out.
// decode form: a head's query, quantised, is carried into the latent space by the transposed key
// rows; lanes of (row, head) attend to a loaded block, 128 at a time. Positions are cut into spans
// of 128, each with a running softmax of its own from an empty start; spans are merged in their
// order, so that threads share one sequence and nothing but the position shows. What was attended
// is quantised and expanded by the value rows. Thread safety: see Attention.
#pragma once

#include "model/kernels/int8/int8_rows.h"
#include "model/layers/attention/attention.h"

namespace baton::layers {

class FastAttention final : public Attention {
 public:
  FastAttention(const checkpoint::NumericMode& mode, const checkpoint::ModelConfig& config,
                uint32_t tp, uint32_t rows_max, kernels::Team& team);

 protected:
  size_t entry_bytes() const override { return entry_bytes_; }
  void store_entry(const float* entry, std::byte* to) const override;
  void attend_rows(const Pass& pass) override;

 private:
  // Tiles of 32 lanes under way: what they have attended to, and their running softmax.
  struct Tiles {
    Tiles() = default;
    Tiles(size_t tiles, size_t width)
        : width(width), out(tiles * width * 32), max(tiles * 32), sum(tiles * 32) {}
    void begin(size_t tile);
    float* out_of(size_t tile) { return out.data() + tile * width * 32; }  // [width, 32]

    size_t width = 0;
    std::vector<float> out;
    std::vector<float> max;
    std::vector<float> sum;
  };
  struct ThreadBuffers {
    std::vector<float> entries;     // [64, entry]
    kernels::Int8Buffer codes;      // [64] rows of latents, or of a head's queries
    std::vector<float> keys;        // [64, qk]
    std::vector<float> values;      // [64, v]
    std::vector<float> queries;     // [tiles, qk or entry, 32]
    std::vector<float> scores;      // [4, 64, 32]
    std::vector<float> correction;  // [4, 32]
    std::vector<float> visible;     // [32]
    Tiles tiles;                    // of a run
  };
  // Some of the lanes (row, head) of rows of a run in the decode form: at most 128 of them.
  struct LaneGroup {
    const Run* run = nullptr;
    size_t lane = 0;  // of its first, among the lanes of the group of rows
    size_t lanes = 0;
    Position first = 0;     // the position of the first row of the stretch that it belongs to
    size_t first_lane = 0;  // its first lane, counted in that stretch
    size_t tile = 0;        // of its first, in states_
    size_t spans = 0;
  };
  struct SpanItem {
    size_t group;
    size_t span;
  };
  struct MergeItem {
    size_t group;
    size_t tile;
  };

  void attend_block(size_t tile, size_t seen, size_t lanes, bool masked, ThreadBuffers& mine) const;
  void finish_tile(Tiles& tiles, size_t tile, size_t lanes, float* out, size_t stride,
                   ThreadBuffers& mine) const;

  void prefill_runs(const Pass& pass);
  void prefill_head(const Pass& pass, const Run& run, size_t head, unsigned thread);
  void expand_block(const Pass& pass, const Run& run, size_t block, size_t count, size_t head,
                    ThreadBuffers& mine) const;

  void decode_rows(const Pass& pass, std::span<const uint32_t> rows);
  void absorb_head(const Pass& pass, std::span<const uint32_t> rows, size_t head, unsigned thread);
  void list_groups(const Pass& pass, std::span<const uint32_t> rows);
  kernels::TileEntries seen_entries(const Pass& pass, const LaneGroup& group, size_t begin,
                                    size_t end) const;
  void weigh(const LaneGroup& group, size_t tile, size_t begin, size_t seen, Tiles& out, size_t at,
             ThreadBuffers& mine) const;
  void attend_span(const Pass& pass, const SpanItem& item, size_t slot, unsigned thread);
  void attend_wave(const Pass& pass);  // the spans of the list
  void merge_tile(const MergeItem& item, unsigned thread);
  void expand_head(const Pass& pass, std::span<const uint32_t> rows, size_t head, unsigned thread);
  Position lane_position(const LaneGroup& group, size_t lane) const;
  size_t lanes_of(const LaneGroup& group, size_t tile) const;
  void finish_group_tile(const LaneGroup& group, size_t tile, unsigned thread);

  // Positions of a block, as they are cached.
  kernels::CachedEntries cached(const Pass& pass, const Run& run, size_t block, size_t count) const;

  size_t entry_bytes_;
  size_t codes_;                       // FP8 columns of an entry
  kernels::Contraction latents_;       // of kv_b's rows
  kernels::Contraction head_queries_;  // of a head's query without position
  std::vector<uint32_t> prefill_;      // indices of the plan's prefill runs
  std::vector<float> absorbed_;        // [decode group, heads, entry]: (row, head) lanes
  std::vector<float> attended_;        // [decode group, heads, latent]
  std::vector<LaneGroup> groups_;
  std::vector<SpanItem> spans_;
  std::vector<MergeItem> merges_;
  Tiles states_;    // of the groups
  Tiles partials_;  // of the spans of a wave
  std::vector<ThreadBuffers> threads_;
};

}  // namespace baton::layers
