// Int8Buffer: rows quantised for a contraction, in memory that is reserved once; and products of
// such rows with panels.
//
// Thread safety: rows of one buffer may be written by several threads, each row by one.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/kernels/int8/panels.h"

namespace baton::kernels {

// Memory of quantised rows; the larger of two is enough for either.
struct Int8Size {
  size_t code_bytes = 0;
  size_t groups = 0;
};
Int8Size int8_size(size_t rows, const Contraction& contraction);
inline constexpr size_t kRowPadding = 128;  // bytes behind a row's codes, at most
Int8Size larger(const Int8Size& a, const Int8Size& b);

class Int8Buffer {
 public:
  Int8Buffer() = default;
  explicit Int8Buffer(const Int8Size& size);

  // What follows is of rows of this contraction.
  void shape(const Contraction& contraction, size_t rows);
  const Contraction& contraction() const { return contraction_; }
  void quantize(const Kernels& kernels, size_t row, const float* x);
  // Groups [first, first + the values' groups) of a row; `x` begins at the first one's columns.
  // Only of a contraction of one segment.
  void quantize_groups(const Kernels& kernels, size_t row, size_t first, const float* x,
                       size_t cols);
  // Copies rows `index` of another buffer with the same contraction.
  void gather(const Int8Rows& from, std::span<const uint32_t> index);
  Int8Rows rows(size_t first = 0) const;

 private:
  Contraction contraction_;
  size_t code_stride_ = 0;
  size_t groups_ = 0;
  std::vector<int8_t> codes_;
  std::vector<float> scales_;
  std::vector<int32_t> shifts_;
};

// out[r * out_stride + first_row(p) - first_row(begin) + w] for each row and the weight rows of
// panels [begin, end), as one thread does it.
void multiply_panels(const Kernels& kernels, const Int8Rows& in, size_t rows, const Panels& weights,
                     size_t begin, size_t end, float* out, size_t out_stride);

}  // namespace baton::kernels
