#include "model/layers/mlp/fast_mlp.h"

#include <gtest/gtest.h>

#include "tests/kernels/slow_int8.h"
#include "tests/layers/fixture.h"

namespace baton::layers {
namespace {

using kernels::Contraction;
using kernels::testing::slow_product;
using kernels::testing::slow_quantize;
using kernels::testing::slow_quantize_form;
using kernels::testing::SlowRow;
using testing::random_floats;

// A weight as panels, and its rows as the slow twin has them.
struct PackedWeight {
  PackedWeight(uint64_t seed, size_t rows, size_t cols, kernels::PanelForm form)
      : shape{rows, cols, 0, 1, form},
        contraction{shape.contraction()},
        values(random_floats(seed, rows * cols)),
        packed(shape.bytes()) {
    const kernels::Panels panels(shape, packed.data());
    for (size_t p = 0; p < panels.panels(); ++p) {
      pack_panel(kernels::best_kernels(), shape,
                 std::span(values).subspan(panels.first_row(p) * cols, panels.rows_of(p) * cols),
                 packed.data() + p * panels.stride());
    }
    for (size_t r = 0; r < rows; ++r) {
      slow.push_back(slow_quantize_form(form, values.data() + r * cols, contraction));
    }
  }
  kernels::Matrix matrix() const { return kernels::Matrix(kernels::Panels(shape, packed.data())); }
  std::vector<float> multiply(const float* x) const {
    const SlowRow in = slow_quantize(x, contraction);
    std::vector<float> out;
    for (const SlowRow& row : slow) out.push_back(slow_product(in, row, contraction));
    return out;
  }

  kernels::PanelShape shape;
  Contraction contraction;
  std::vector<float> values;
  std::vector<std::byte> packed;
  std::vector<SlowRow> slow;
};

struct PackedMlp {
  PackedMlp(uint64_t seed, size_t hidden, size_t width,
            kernels::PanelForm form = kernels::PanelForm::int8)
      : gate(seed, width, hidden, form),
        up(seed + 1, width, hidden, form),
        down(seed + 2, hidden, width, form),
        weights{gate.matrix(), up.matrix(), down.matrix()} {}

  std::vector<float> slow(const float* x) const {
    auto acts = gate.multiply(x);
    const auto ups = up.multiply(x);
    kernels::kernels_for(kernels::Isa::portable)->silu_mul(acts.data(), ups.data(), acts.size());
    return down.multiply(acts.data());
  }

  PackedWeight gate, up, down;
  MlpWeights weights;
};

struct Sizes {
  size_t hidden, width;
};

class FastMlpSizes : public ::testing::TestWithParam<Sizes> {};

INSTANTIATE_TEST_SUITE_P(Sizes, FastMlpSizes,
                         ::testing::Values(Sizes{1, 1}, Sizes{16, 48}, Sizes{37, 5},
                                           Sizes{132, 200}, Sizes{256, 300}));

// Jobs of few and of many rows in all, of more than a kernel's call takes, and of different widths
// and forms.
TEST_P(FastMlpSizes, JobsHaveTheBytesOfTheirSlowTwin) {
  const auto [hidden, width] = GetParam();
  const PackedMlp first(1, hidden, width);
  const PackedMlp second(10, hidden, width + 40, kernels::PanelForm::int4);
  for (const unsigned threads : {1u, 3u}) {
    ThreadPool pool(threads);
    kernels::Team team(kernels::best_kernels(), pool, 1);
    FastMlp mlp(team,
                {.rows = 130, .values = 130 * (width + 40), .width = width + 40, .hidden = hidden});
    for (const uint32_t rows : {1u, 7u, 30u, 33u, 129u}) {
      const auto x = random_floats(20 + rows, rows * hidden);
      std::vector<uint32_t> gathered;
      for (uint32_t r = 0; r < rows - rows / 4; ++r) gathered.push_back(r * 7 % rows);
      const uint32_t all = rows / 4;
      std::vector<MlpJob> jobs;
      if (all != 0) jobs.push_back({&first.weights, {x.data(), hidden, nullptr}, all, 0});
      jobs.push_back({&second.weights,
                      {x.data(), hidden, gathered.data()},
                      static_cast<uint32_t>(gathered.size()),
                      all});
      std::vector<float> out(rows * hidden);
      mlp.run(jobs, out.data());
      for (size_t r = 0; r < rows; ++r) {
        const auto expected = r < all ? first.slow(x.data() + r * hidden)
                                      : second.slow(x.data() + gathered[r - all] * hidden);
        for (size_t i = 0; i < hidden; ++i) {
          ASSERT_EQ(out[r * hidden + i], expected[i]) << threads << " " << rows << " " << r;
        }
      }
    }
  }
}

TEST(FastMlp, NoJobsOrRowsAreNoWork) {
  ThreadPool pool(1);
  kernels::Team team(kernels::best_kernels(), pool, 1);
  FastMlp mlp(team, {.rows = 1, .values = 8, .width = 8, .hidden = 8});
  mlp.run({}, nullptr);
  const PackedMlp some(1, 8, 8);
  const MlpJob empty{&some.weights, {nullptr, 8, nullptr}, 0, 0};
  mlp.run(std::span(&empty, 1), nullptr);
}

}  // namespace
}  // namespace baton::layers
