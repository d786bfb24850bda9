// Matrix: a view of a weight [rows, cols] as it is stored or packed, or of some of its rows and
// columns.
//
// Stored values are converted when they are used (exactly, except that an FP8 value is the rounded
// product of its code and its block's scale), so a mapped checkpoint is in memory once. Packed ones
// (int8/panels.h) are multiplied as they lie; of these a range is of whole units of rows, or of
// whole segments of columns. Thread safety: a value; who made it keeps the bytes alive.
#pragma once

#include <cstddef>
#include <span>

#include "model/kernels/int8/panels.h"
#include "model/kernels/kernels.h"

namespace baton::kernels {

size_t format_bytes(Format format);

class Matrix {
 public:
  Matrix() = default;
  // Row-major data of any alignment. `scales`: [ceil(rows/128), ceil(cols/128)], for f8_e4m3.
  Matrix(Format format, const std::byte* data, size_t rows, size_t cols,
         const std::byte* scales = nullptr);
  explicit Matrix(const Panels& panels)
      : panels_(panels), rows_(panels.rows()), cols_(panels.cols()) {}

  bool packed() const { return !panels_.empty(); }
  const Panels& panels() const { return panels_; }  // of a packed matrix

  Format format() const { return format_; }
  size_t rows() const { return rows_; }
  size_t cols() const { return cols_; }
  bool empty() const { return rows_ == 0; }

  Matrix row_range(size_t begin, size_t end) const;
  Matrix col_range(size_t begin, size_t end) const;

  PackedRow row(size_t row) const;  // of a stored matrix

 private:
  Panels panels_;
  Format format_ = Format::f32;
  const std::byte* data_ = nullptr;  // of the tensor, not of the view
  const std::byte* scales_ = nullptr;
  size_t rows_ = 0;
  size_t cols_ = 0;
  size_t tensor_cols_ = 0;
  size_t first_row_ = 0;
  size_t first_col_ = 0;
};

// Whether a stored row's values, unpacked into `values` on the way, are all finite numbers.
bool is_finite(const Kernels& kernels, const PackedRow& row, std::span<float> values);

}  // namespace baton::kernels
