#include "model/kernels/matrix.h"

#include <gtest/gtest.h>

#include "tests/kernels/slow_twins.h"

namespace baton::kernels {
namespace {

std::vector<float> row_of(const Matrix& matrix, size_t row) {
  std::vector<float> values(matrix.cols());
  kernels_for(Isa::portable)->unpack(matrix.row(row), values.data());
  return values;
}

TEST(Matrix, RangesOfRowsAndColumnsAreViews) {
  const auto values = testing::random_floats(1, 6 * 10);
  const Matrix matrix(Format::f32, std::as_bytes(std::span(values)).data(), 6, 10);
  const Matrix part = matrix.row_range(2, 6).col_range(3, 9).row_range(1, 4).col_range(1, 6);
  ASSERT_EQ(part.rows(), 3u);
  ASSERT_EQ(part.cols(), 5u);
  for (size_t r = 0; r < 3; ++r) {
    const auto row = row_of(part, r);
    for (size_t c = 0; c < 5; ++c) EXPECT_EQ(row[c], values[(r + 3) * 10 + c + 4]);
  }
}

TEST(Matrix, RangesKeepTheirPlaceAmongScaleBlocks) {
  constexpr size_t kRows = 140;
  constexpr size_t kCols = 300;
  std::vector<std::byte> codes(kRows * kCols, std::byte{0x38});  // 1.0
  const std::vector<float> scales = {1, 2, 3, 4, 5, 6};          // [2, 3]
  const Matrix matrix(Format::f8_e4m3, codes.data(), kRows, kCols,
                      std::as_bytes(std::span(scales)).data());
  const Matrix part = matrix.row_range(120, 140).col_range(100, 270);
  for (size_t r = 0; r < part.rows(); ++r) {
    const auto row = row_of(part, r);
    for (size_t c = 0; c < part.cols(); ++c) {
      EXPECT_EQ(row[c], scales[(r + 120) / 128 * 3 + (c + 100) / 128]);
    }
  }
}

TEST(MatrixDeathTest, ARangeOutsideStopsTheProcess) {
  const Matrix matrix(Format::f32, nullptr, 4, 4);
  EXPECT_DEATH(matrix.row_range(3, 5), "row range");
  EXPECT_DEATH(matrix.col_range(3, 2), "column range");
}

}  // namespace
}  // namespace baton::kernels
