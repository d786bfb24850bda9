// TileKernels: float32 products and softmax with one row of the result a lane, the arithmetic of
// attention in mode `fast`.
//
// Lanes are what is independent: query rows in the prefill form, (row, head) pairs in the decode
// form. Nothing is ever added across lanes, so how many share a register, and with whom a lane
// shares it, doesn't show. A tile of up to 16 lanes is 16 wide, a larger one 32: that is `lanes`
// below, and the distance from one of its rows to the next. Per lane, in this order:
//   product: out = (out * scale, or +0), then fma(key or value, query or weight, out) in the order
//     of columns or positions.
//   softmax of a block: m' = max(m, scores); p = exp(score - m'); c = exp(m - m');
//     sum = fma(sum, c, p0 + p1 + ... in order, from +0); what is summed later is scaled by c.
// A score that a lane may not see counts as minus infinity: its p is 0. Thread safety: pure
// functions.
#pragma once

#include <cstddef>
#include <cstdint>

namespace baton::kernels {

inline constexpr size_t kTileLanes = 32;      // of a tile, at most
inline constexpr size_t kTileGroup = 4;       // tiles that share what is read of a cached block
inline constexpr size_t kTilePositions = 64;  // of a block, at most
inline constexpr size_t kKeyCols = 192;       // of keys that lie together
inline constexpr size_t kValueCols = 32;      // of values
inline constexpr size_t kCodeGroup = 128;     // FP8 columns that share a scale
inline constexpr float kNoScore = -3.0e38f;   // the maximum of no scores: finite, so that no
                                              // difference of two of them is NaN

// A block's keys or values, in panels of some columns: column c of position t is
// data[c / P][t][c % P], for P = kKeyCols or kValueCols, in panels of [64, P].
struct TileBlock {
  const float* data;
  size_t count;  // positions
  size_t cols;
};

// scores[t][lane] = the product over the columns of the block's keys and the lane's query.
struct TileScores {
  TileBlock keys;
  size_t lanes;
  const float* queries;  // [cols, lanes]
  float* scores;         // [count, lanes]
};

// out[c][lane] = the product over the positions of the block's values and the lane's weights, on
// top of out * scale.
struct TileValues {
  TileBlock values;
  size_t lanes;
  const float* weights;  // [count, lanes]
  const float* scale;    // [lanes]
  float* out;            // [cols, lanes]
};

// Cached entries as they lie. Columns [0, codes) are FP8 (e4m3) with a float scale for each 128 of
// them, what follows is bfloat16: codes, scales, bfloat16 values. Without codes all is bfloat16.
struct CachedEntries {
  const uint8_t* data;
  size_t count;  // positions
  size_t width;  // columns
  size_t codes;
};

// A cached block, for tiles of the decode form.
struct TileEntries {
  CachedEntries block;
  const uint8_t* next;       // a block that is read soon, fetched meanwhile; null: none
  size_t tiles;              // at most kTileGroup
  size_t lanes[kTileGroup];  // 16 or 32
  size_t seen[kTileGroup];   // positions [0, seen) are for this tile; 0: none is
};

// As TileScores, for each tile and t < seen; the scores of what is not seen are undefined. Tiles
// follow one another at the distance of 32 lanes, here and below.
struct EntryScores {
  TileEntries entries;
  const float* queries;  // [tiles, (width, lanes)]
  float* scores;         // [tiles, (64, lanes)]
};

// As TileValues, for each tile and what it sees; the values are an entry's first `cols` columns.
struct EntryValues {
  TileEntries entries;
  size_t cols;
  const float* weights;  // [tiles, (64, lanes)]
  const float* scale;    // [tiles, (lanes)]
  float* out;            // [tiles, (cols, lanes)]
};

struct TileSoftmax {
  float* scores;  // [count, lanes]; becomes p
  size_t count;
  size_t lanes;
  const float* visible;  // [lanes]: a lane sees scores t < visible; null: all
  float* max;            // [lanes]: kNoScore at first
  float* sum;            // [lanes]: +0 at first
  float* correction;     // [lanes]: c
};

// Two softmaxes over different scores become one: m' = max(m, part's m); c = exp(m - m'),
// d = exp(part's m - m'); out = fma(part's out, d, out * c); sum = fma(part's sum, d, sum * c).
struct TileMerge {
  float* out;         // [rows, lanes]
  const float* part;  // [rows, lanes]
  size_t rows;
  size_t lanes;
  float* max;  // [lanes]
  float* sum;  // [lanes]
  const float* part_max;
  const float* part_sum;
};

struct TileKernels {
  void (*scores)(const TileScores& args);
  void (*values)(const TileValues& args);
  void (*entry_scores)(const EntryScores& args);
  void (*entry_values)(const EntryValues& args);
  void (*softmax)(const TileSoftmax& args);
  void (*merge)(const TileMerge& args);
  // out[c][lane] = in[lane * stride + c] * factor for lane < rows, else +0; a tile of `rows` lanes.
  void (*to_lanes)(const float* in, size_t stride, size_t rows, size_t cols, float factor,
                   float* out);
  // out[lane * stride + c] = in[c][lane] * scale[lane] for lane < rows; a tile of `rows` lanes.
  void (*from_lanes)(const float* in, size_t rows, size_t cols, const float* scale, float* out,
                     size_t stride);
  // One entry of `width` columns, the first `codes` of them FP8: a group's scale is its largest
  // magnitude over 448, codes and values are rounded to nearest, ties to even.
  void (*store_entry)(const float* x, size_t width, size_t codes, uint8_t* out);
  void (*widen)(const CachedEntries& entries, float* out);  // [count, width]
};

}  // namespace baton::kernels
