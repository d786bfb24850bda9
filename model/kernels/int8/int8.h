// Int8Kernels: integer products of quantised rows and weights, the arithmetic of mode `fast`.
//
// A contraction is cut into segments (1, or the partial sums of a split dot) and these into groups
// of 128 columns, the last of a segment perhaps shorter. A row's activations are quantised group by
// group: scale = max|x| / 127, code = round(x * (127 / max|x|)), ties to even; a group whose max|x|
// is below 2^-100 is all zero. A weight row's groups likewise, but the scale is rounded up to
// bfloat16, so that it takes 2 bytes, and code = round(w / scale). Then
//   output = tree over segments of (acc = fma(float(sum of code products), w_scale * x_scale, acc)
//            over the segment's groups in their order, from +0).
// The sums are exact integers below 2^21, so no instruction set, block size or number of rows
// shows.
//
// A panel is 32 weight rows. Its block of a group: 32 bfloat16 scales, then for each four columns
// ("quad") 32 times 4 biased codes (code + 128). What the bias adds to a sum is the same for every
// weight row, so `shifts` takes it off: -128 * the sum of a row's codes. Missing rows and columns
// have code 0 and scale 0.
//
// Form int4: a group's codes are products of two small integers, code = step * value, a step of
// 0..15 for each subgroup of 16 columns and a value of -8..7 for each column, so they are codes of
// -120..105 like any others. scale = max|w| / 105, rounded up to bfloat16. With m = max|w| / scale
// of a subgroup, its step is that of ceil(m / 7) (at least 1) and the four below (down to 1) whose
// squared error is the least, the greater one of equals; value = round(w / scale / step), clamped.
// A block is 32 scales, 32 times the row's eight steps in 32 bits, then for each two quads 32 times
// 4 bytes, value + 8 of the first quad in the low half of a byte. A block is turned into biased
// codes as it is read, exactly, and multiplied like one of form int8.
// Thread safety: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>

namespace baton::kernels {

inline constexpr size_t kGroupCols = 128;
inline constexpr size_t kQuadCols = 4;
inline constexpr size_t kInt8PanelRows = 32;
inline constexpr size_t kQuadBytes = kInt8PanelRows * kQuadCols;
inline constexpr size_t kBlockScaleBytes = kInt8PanelRows * 2;
inline constexpr size_t kSubgroupCols = 16;                    // form int4
inline constexpr size_t kBlockStepBytes = kInt8PanelRows * 4;  // form int4
inline constexpr float kStepMax = 15;
inline constexpr float kValueMax = 7;
inline constexpr size_t kInt8RowsMax = 96;           // of one call
inline constexpr float kQuantisedLeast = 0x1p-100f;  // a group of smaller values is zero

enum class PanelForm : uint8_t { int8, int4 };

// How the columns of a product are cut.
struct Contraction {
  uint32_t segments = 1;
  uint32_t cols = 0;  // of a segment
};

// Quantised rows: row r's codes at codes + r * code_stride, segment after segment, each padded with
// zeros to a multiple of 4; its groups' scales and shifts at r * groups.
struct Int8Rows {
  const int8_t* codes;
  const float* scales;
  const int32_t* shifts;
  size_t code_stride;
  size_t groups;  // of a row, all segments
};

struct Int8Quantize {
  const float* x;  // one row
  Contraction contraction;
  int8_t* codes;
  float* scales;
  int32_t* shifts;
};

// out[r * out_stride + w] for each row and the first `out_cols` weight rows of a panel.
struct Int8Products {
  Int8Rows in;
  size_t rows;  // at most kInt8RowsMax
  const std::byte* panel;
  PanelForm form;
  Contraction contraction;
  float* out;
  size_t out_stride;
  size_t out_cols;  // 1..32
};

struct Int8Kernels {
  const char* name;
  void (*quantize)(const Int8Quantize& args);
  // One weight row's group of n columns: codes [n], not biased; returns the scale's bfloat16 bits.
  uint16_t (*quantize_weights)(const float* w, size_t n, int8_t* codes);
  // The same of form int4: values [n], and steps [ceil(n / 16)].
  uint16_t (*quantize_int4)(const float* w, size_t n, int8_t* values, uint8_t* steps);
  void (*products)(const Int8Products& args);
};

}  // namespace baton::kernels
