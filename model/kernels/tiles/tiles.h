// TileKernels: float32 products and softmax with one row of the result a lane, the arithmetic of
// attention in mode `fast`.
//
// Lanes are what is independent: query rows in the prefill form, (row, head) pairs in the decode
// form. Nothing is ever added across lanes, so how many share a register, and with whom a lane
// shares it, doesn't show. Per lane, in this order:
//   product: out = (out * scale, or +0), then fma(a(m, k), b[k], out) for k = 0, 1, ...
//   softmax of a block: m' = max(m, scores); p = exp(score - m'); c = exp(m - m');
//     sum = fma(sum, c, p0 + p1 + ... in order, from +0); what is summed later is scaled by c.
// A score that a lane may not see counts as minus infinity: its p is 0. Thread safety: pure
// functions.
#pragma once

#include <cstddef>
#include <cstdint>

namespace baton::kernels {

inline constexpr size_t kTileLanes = 32;     // the stride of every tile of lanes
inline constexpr float kNoScore = -3.0e38f;  // the maximum of no scores: finite, so that no
                                             // difference of two of them is NaN

// out[m][lane] for lane < lanes (16 or 32): see above. b: [depth][32], out: [rows][32].
struct TileProduct {
  const float* a;  // a(m, k) = a[m * a_row + k * a_step]; one of the two is 1
  size_t a_row;
  size_t a_step;
  const float* b;
  size_t rows;
  size_t depth;
  size_t lanes;
  const float* scale;  // [32], or null: start anew
  float* out;
};

struct TileSoftmax {
  float* scores;  // [count][32]; becomes p
  size_t count;
  size_t lanes;
  const float* visible;  // [32]: a lane sees scores t < visible; null: all
  float* max;            // [32]: kNoScore at first
  float* sum;            // [32]: +0 at first
  float* correction;     // [32]: c
};

// Two softmaxes over different scores become one: m' = max(m, part's m); c = exp(m - m'),
// d = exp(part's m - m'); out = fma(part's out, d, out * c); sum = fma(part's sum, d, sum * c).
struct TileMerge {
  float* out;         // [rows][32]
  const float* part;  // [rows][32]
  size_t rows;
  size_t lanes;
  float* max;  // [32]
  float* sum;  // [32]
  const float* part_max;
  const float* part_sum;
};

struct TileKernels {
  void (*product)(const TileProduct& args);
  void (*softmax)(const TileSoftmax& args);
  void (*merge)(const TileMerge& args);
  // out[c][lane 0..31] = in[lane * stride + c] * factor for lane < rows, else +0.
  void (*to_lanes)(const float* in, size_t stride, size_t rows, size_t cols, float factor,
                   float* out);
  // out[lane * stride + c] = in[c][lane] * scale[lane] for lane < rows.
  void (*from_lanes)(const float* in, size_t rows, size_t cols, const float* scale, float* out,
                     size_t stride);
  void (*to_bf16)(const float* x, size_t n, uint8_t* out);  // to nearest, ties to even
};

}  // namespace baton::kernels
