#include "model/kernels/matrix.h"

#include <bit>

#include "base/result.h"

namespace baton::kernels {

size_t format_bytes(Format format) {
  switch (format) {
    case Format::f32:
      return 4;
    case Format::bf16:
    case Format::f16:
      return 2;
    case Format::f8_e4m3:
      return 1;
  }
  return 1;
}

Matrix::Matrix(Format format, const std::byte* data, size_t rows, size_t cols,
               const std::byte* scales)
    : format_(format), data_(data), scales_(scales), rows_(rows), cols_(cols), tensor_cols_(cols) {
  check(format != Format::f8_e4m3 || scales != nullptr || rows * cols == 0,
        "an FP8 matrix comes with its scales");
}

Matrix Matrix::row_range(size_t begin, size_t end) const {
  check(begin <= end && end <= rows_, "a row range lies inside its matrix");
  if (packed()) {
    const size_t unit = panels_.shape().unit();
    check(begin % unit == 0 && end % unit == 0, "a packed matrix is cut into whole units");
    return Matrix(panels_.units(begin / unit, end / unit));
  }
  Matrix view = *this;
  view.first_row_ += begin;
  view.rows_ = end - begin;
  return view;
}

Matrix Matrix::col_range(size_t begin, size_t end) const {
  check(begin <= end && end <= cols_, "a column range lies inside its matrix");
  if (packed()) {
    const size_t width = cols_ / panels_.shape().segments;
    check(begin % width == 0 && end % width == 0, "a packed matrix is cut into whole segments");
    return Matrix(
        panels_.segments(static_cast<unsigned>(begin / width), static_cast<unsigned>(end / width)));
  }
  Matrix view = *this;
  view.first_col_ += begin;
  view.cols_ = end - begin;
  return view;
}

PackedRow Matrix::row(size_t row) const {
  check(!packed(), "a packed matrix has no stored rows");
  const size_t tensor_row = first_row_ + row;
  const size_t scale_cols = (tensor_cols_ + kScaleBlock - 1) / kScaleBlock;
  const std::byte* scales =
      scales_ == nullptr ? nullptr : scales_ + 4 * scale_cols * (tensor_row / kScaleBlock);
  return {data_ + (tensor_row * tensor_cols_ + first_col_) * format_bytes(format_), scales, format_,
          first_col_, cols_};
}

bool is_finite(const Kernels& kernels, const PackedRow& row, std::span<float> values) {
  uint32_t bad = 0;
  if (row.format == Format::f8_e4m3) {
    const auto* codes = static_cast<const uint8_t*>(row.data);
    for (size_t i = 0; i < row.count; ++i) bad |= (codes[i] & 0x7f) == 0x7f ? 1 : 0;
  }
  constexpr uint32_t kExponent = 0x7f800000;
  kernels.unpack(row, values.data());
  for (size_t i = 0; i < row.count; ++i) {
    bad |= (std::bit_cast<uint32_t>(values[i]) & kExponent) == kExponent ? 1 : 0;
  }
  return bad == 0;
}

}  // namespace baton::kernels
