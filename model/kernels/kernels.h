// Kernels: the table of single-thread loops of one instruction set; all tables give the same bytes.
//
// The functions here are the canonical float32 ones of order.h; `tiles` and `int8` are what mode
// `fast` adds, each with an order of its own that says just as much (tiles/tiles.h, int8/int8.h).
// Plain pointers and counts, because the paths are compiled with flags of their own and may not
// share inline functions with the rest of the program. Nothing allocates. Any pointer may have any
// alignment that its type allows; packed weights may have none. The order of every operation is
// that of order.h. Thread safety: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>

#include "model/kernels/int8/int8.h"
#include "model/kernels/order.h"
#include "model/kernels/tiles/tiles.h"

namespace baton::kernels {

// From the slowest to the fastest. The last ones differ from avx512 in their integer products only.
enum class Isa : unsigned { portable = 0, avx2 = 1, avx512 = 2, avx512_vnni = 3, amx = 4 };
inline constexpr unsigned kIsas = 5;

enum class Format : uint8_t { f32, bf16, f16, f8_e4m3 };

inline constexpr size_t kScaleBlock = 128;  // columns that share a scale, of f8_e4m3

// Elements [0, count) of a stored row. `first_col` is the column of element 0 in the tensor, which
// decides where scale blocks begin; `scales` is the scale of the tensor's columns 0..127.
struct PackedRow {
  const void* data;
  const void* scales;  // f8_e4m3 only
  Format format;
  size_t first_col;
  size_t count;
};

// Rows of floats: row r is at base + (index ? index[r] : r) * stride.
struct RowsView {
  const float* base;
  size_t stride;
  const uint32_t* index;
};

// out[r * out_stride + w] = dot(a.row(r), b + w * b_stride, n), split into `segments`.
struct Dots {
  RowsView a;
  size_t rows;
  const float* b;
  size_t b_stride;
  size_t weights;
  size_t n;
  unsigned segments;
  float* out;
  size_t out_stride;
};

// out.row(r)[c] = weighted_sum of x[t][c] by w.row(r)[t], t < counts[r]; see order.h.
struct WeightedSum {
  RowsView w;
  const uint32_t* counts;
  const float* scales;  // one a row; 0: start anew
  size_t rows;
  const float* x;
  size_t x_stride;
  size_t cols;
  float* out;
  size_t out_stride;
};

struct RunningSoftmax {
  float max;  // starts at minus infinity
  float sum;  // starts at 0
};

struct Kernels {
  Isa isa;
  // To float32: exact for f32, bf16, f16; the rounded product of value and scale for f8_e4m3.
  void (*unpack)(const PackedRow& row, float* out);
  void (*dots)(const Dots& args);
  void (*weighted_sum)(const WeightedSum& args);
  // out = x / sqrt(mean(x^2) + eps) * weight; out may be x.
  void (*rms_norm)(const float* x, const float* weight, size_t n, float eps, float* out);
  void (*silu_mul)(float* gate, const float* up, size_t n);  // gate = silu(gate) * up
  void (*sigmoid)(const float* x, size_t n, float* out);
  void (*add)(float* x, const float* y, size_t n);                      // x += y
  void (*add_scaled)(float* x, const float* y, float scale, size_t n);  // x = fma(scale, y, x)
  void (*scale)(float* x, float factor, size_t n);                      // x *= factor
  float (*max)(const float* x, size_t n);                               // minus infinity if n is 0
  // Returns sum(exp(x - shift)); stores the terms in `out` unless it is null. out may be x.
  float (*exp_sum)(const float* x, float shift, size_t n, float* out);
  // One block of a running softmax: turns `count` > 0 scores into weights exp(score * scale - max).
  // Returns what sums of the blocks before must be multiplied by.
  float (*softmax_block)(float* scores, size_t count, float scale, RunningSoftmax* state);

  const TileKernels* tiles;
  const Int8Kernels* int8;
};

// Null if this build or this processor doesn't have it.
const Kernels* kernels_for(Isa isa);
const Kernels& best_kernels();
const char* to_string(Isa isa);

// ln(sum(exp(x))) over the vocabulary, in the canonical order.
float log_sum_exp(const Kernels& kernels, const float* logits, size_t n);

}  // namespace baton::kernels
