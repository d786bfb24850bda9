#include "model/layers/mlp/exact_mlp.h"

#include <gtest/gtest.h>

#include "tests/layers/fixture.h"

namespace baton::layers {
namespace {

using testing::random_floats;

struct RandomMlp {
  RandomMlp(uint64_t seed, size_t hidden, size_t width)
      : hidden(hidden),
        width(width),
        gate(random_floats(seed, width * hidden)),
        up(random_floats(seed + 1, width * hidden)),
        down(random_floats(seed + 2, hidden * width)),
        weights{matrix(gate, width, hidden), matrix(up, width, hidden),
                matrix(down, hidden, width)} {}

  static kernels::Matrix matrix(const std::vector<float>& values, size_t rows, size_t cols) {
    return {kernels::Format::f32, std::as_bytes(std::span(values)).data(), rows, cols};
  }
  std::vector<double> slow(const float* x) const {
    std::vector<double> act(width);
    for (size_t i = 0; i < width; ++i) {
      double g = 0;
      double u = 0;
      for (size_t j = 0; j < hidden; ++j) {
        g += static_cast<double>(gate[i * hidden + j]) * x[j];
        u += static_cast<double>(up[i * hidden + j]) * x[j];
      }
      act[i] = g / (1 + std::exp(-g)) * u;
    }
    std::vector<double> out(hidden);
    for (size_t i = 0; i < hidden; ++i) {
      for (size_t j = 0; j < width; ++j) out[i] += act[j] * down[i * width + j];
    }
    return out;
  }

  size_t hidden;
  size_t width;
  std::vector<float> gate, up, down;
  MlpWeights weights;
};

class MlpSizes : public ::testing::TestWithParam<std::pair<size_t, size_t>> {};

INSTANTIATE_TEST_SUITE_P(Sizes, MlpSizes,
                         ::testing::Values(std::pair{1, 1}, std::pair{16, 48}, std::pair{37, 5},
                                           std::pair{40, 131}));

TEST_P(MlpSizes, JobsOfSeveralExpertsAgreeWithDouble) {
  const auto [hidden, width] = GetParam();
  ThreadPool pool(2);
  kernels::Team team(kernels::best_kernels(), pool, kernels::panel_floats(hidden + width));
  ExactMlp mlp(team, 9 * width);
  const RandomMlp first(1, hidden, width);
  const RandomMlp second(10, hidden, width);
  const auto x = random_floats(20, 4 * hidden);
  const std::vector<uint32_t> gathered = {3, 0, 1, 1, 2, 0, 3, 2};
  const kernels::RowsView all{x.data(), hidden, nullptr};
  const kernels::RowsView some{x.data(), hidden, gathered.data()};
  const std::vector<MlpJob> jobs = {{&first.weights, all, 1, 0}, {&second.weights, some, 8, 1}};
  std::vector<float> out(9 * hidden);
  mlp.run(jobs, out.data());
  for (size_t r = 0; r < 9; ++r) {
    const auto expected =
        r == 0 ? first.slow(x.data()) : second.slow(x.data() + gathered[r - 1] * hidden);
    for (size_t i = 0; i < hidden; ++i) {
      // Terms are below hidden^2 * width in magnitude; errors are relative to their
      // root-mean-square.
      const double scale = static_cast<double>(hidden) * std::sqrt(static_cast<double>(width));
      EXPECT_NEAR(out[r * hidden + i], expected[i], 60 * 0x1p-24 * scale);
    }
  }
}

TEST(ExactMlp, NoJobsAreNoWork) {
  ThreadPool pool(1);
  kernels::Team team(kernels::best_kernels(), pool, kernels::panel_floats(4));
  ExactMlp(team, 0).run({}, nullptr);
}

}  // namespace
}  // namespace baton::layers
