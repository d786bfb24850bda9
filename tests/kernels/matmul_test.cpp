#include "model/kernels/matmul.h"

#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <bit>

#include "tests/kernels/slow_twins.h"

namespace baton::kernels {
namespace {

using namespace testing;

std::vector<uint16_t> to_bf16(const std::vector<float>& values) {
  std::vector<uint16_t> halves;
  for (const float value : values) {
    halves.push_back(static_cast<uint16_t>(std::bit_cast<uint32_t>(value) >> 16));
  }
  return halves;
}

struct Case {
  size_t rows, weights, cols;
};

class Multiply : public ::testing::TestWithParam<Case> {};

INSTANTIATE_TEST_SUITE_P(Sizes, Multiply,
                         ::testing::Values(Case{0, 5, 8}, Case{1, 1, 1}, Case{1, 130, 33},
                                           Case{3, 65, 16}, Case{4, 9, 1100}, Case{5, 70, 40},
                                           Case{17, 129, 100}, Case{2, 3, 9000}));

TEST_P(Multiply, IsOneCanonicalDotAnOutputOnEveryPathAndTeam) {
  const auto [rows, weights, cols] = GetParam();
  const auto in = random_floats(1, rows * cols);
  const auto halves = to_bf16(random_floats(2, weights * cols));
  const Matrix matrix(Format::bf16, std::as_bytes(std::span(halves)).data(), weights, cols);
  std::vector<float> unpacked(weights * cols);
  for (size_t w = 0; w < weights; ++w) {
    best_kernels().unpack(matrix.row(w), unpacked.data() + w * cols);
  }
  for (const Kernels* kernels : paths()) {
    for (const unsigned threads : {1u, 2u, 3u}) {
      ThreadPool pool(threads);
      Team team(*kernels, pool, panel_floats(cols));
      std::vector<float> out(rows * weights);
      team.multiply({in.data(), cols, nullptr}, rows, matrix, out.data(), weights);
      for (size_t r = 0; r < rows; ++r) {
        for (size_t w = 0; w < weights; ++w) {
          ASSERT_EQ(out[r * weights + w],
                    slow_dot(in.data() + r * cols, unpacked.data() + w * cols, cols));
        }
      }
    }
  }
}

TEST_P(Multiply, AgreesWithDoubleWithinTheDotsTolerance) {
  const auto [rows, weights, cols] = GetParam();
  const auto in = random_floats(3, rows * cols);
  const auto values = random_floats(4, weights * cols);
  const Matrix matrix(Format::f32, std::as_bytes(std::span(values)).data(), weights, cols);
  ThreadPool pool(1);
  Team team(best_kernels(), pool, panel_floats(cols));
  std::vector<float> out(rows * weights);
  team.multiply({in.data(), cols, nullptr}, rows, matrix, out.data(), weights);
  using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const auto shape = [](size_t n) { return static_cast<Eigen::Index>(n); };
  const Eigen::Map<const RowMajor> a(in.data(), shape(rows), shape(cols));
  const Eigen::Map<const RowMajor> b(values.data(), shape(weights), shape(cols));
  const Eigen::MatrixXd exact = a.cast<double>() * b.cast<double>().transpose();
  for (size_t r = 0; r < rows; ++r) {
    for (size_t w = 0; w < weights; ++w) {
      ASSERT_NEAR(out[r * weights + w], exact(shape(r), shape(w)),
                  dot_tolerance(in.data() + r * cols, values.data() + w * cols, cols));
    }
  }
}

TEST(Multiply, APartOfTheWeightRowsGivesThePartOfTheOutputs) {
  const auto in = random_floats(5, 3 * 24);
  const auto values = random_floats(6, 20 * 24);
  const Matrix matrix(Format::f32, std::as_bytes(std::span(values)).data(), 20, 24);
  std::vector<float> scratch(panel_floats(24));
  std::vector<float> out(3 * 7);
  multiply_rows(best_kernels(), {in.data(), 24, nullptr}, 3, matrix, 5, 12, 1, scratch, out.data(),
                7);
  for (size_t r = 0; r < 3; ++r) {
    for (size_t w = 0; w < 7; ++w) {
      EXPECT_EQ(out[r * 7 + w], slow_dot(in.data() + r * 24, values.data() + (w + 5) * 24, 24));
    }
  }
}

}  // namespace
}  // namespace baton::kernels
