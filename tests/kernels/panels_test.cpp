#include "model/kernels/int8/panels.h"

#include <gtest/gtest.h>

#include "tests/kernels/int8_cases.h"

namespace baton::kernels {
namespace {

using namespace testing;

TEST(Panels, HoldEachRowsCodesAndScales) {
  for (const Int8Case& c : int8_cases()) {
    Int8Problem problem(c);
    problem.pack(best_kernels());
    const Panels panels(problem.shape, problem.packed.data());
    std::vector<float> row(c.cols);
    for (size_t w = 0; w < c.weights; ++w) {
      unpack_row(panels, w, row);
      const SlowRow slow =
          slow_quantize_form(c.form, problem.w.data() + w * c.cols, panels.contraction());
      size_t group = 0;
      each_group(panels.contraction(), [&](size_t begin, size_t n) {
        for (size_t i = begin; i < begin + n; ++i) {
          ASSERT_EQ(row[i], static_cast<float>(slow.codes[i]) * slow.scales[group]);
        }
        ++group;
      });
    }
  }
}

TEST(Panels, EveryPathPacksTheSameBytes) {
  for (const Int8Case& c : int8_cases()) {
    Int8Problem expected(c);
    expected.pack(*kernels_for(Isa::portable));
    for (const Kernels* kernels : paths()) {
      Int8Problem problem(c);
      problem.pack(*kernels);
      ASSERT_EQ(problem.packed, expected.packed) << to_string(kernels->isa);
    }
  }
}

TEST(Panels, AnErrorIsAtMostHalfACodeOfItsGroup) {
  const auto w = random_floats(3, 32 * 128);
  const PanelShape shape{32, 128};
  std::vector<std::byte> packed(shape.bytes());
  pack_panel(best_kernels(), shape, w, packed.data());
  const Panels panels(shape, packed.data());
  std::vector<float> row(128);
  for (size_t r = 0; r < 32; ++r) {
    unpack_row(panels, r, row);
    const float most = largest_magnitude(w.data() + r * 128, 128);
    // The scale is max / 127, rounded up by at most 2^-7 of it.
    const double half = 0.5 * most / 127 * (1 + 0x1p-7) * (1 + 0x1p-22);
    for (size_t c = 0; c < 128; ++c) ASSERT_NEAR(row[c], w[r * 128 + c], half);
  }
}

// A step is at most ceil(m / 7), so half of it is what a value may be off; where smaller steps
// clamp the larger values, the error of the subgroup is smaller in all.
TEST(Panels, ASubgroupsErrorIsAtMostHalfAStepOfItsLargest) {
  const auto w = random_floats(3, 32 * 128);
  const PanelShape shape{32, 128, 0, 1, PanelForm::int4};
  std::vector<std::byte> packed(shape.bytes());
  pack_panel(best_kernels(), shape, w, packed.data());
  const Panels panels(shape, packed.data());
  std::vector<float> row(128);
  for (size_t r = 0; r < 32; ++r) {
    unpack_row(panels, r, row);
    const double scale = slow_scale(largest_magnitude(w.data() + r * 128, 128), 105);
    for (size_t begin = 0; begin < 128; begin += kSubgroupCols) {
      const float* sub = w.data() + r * 128 + begin;
      const double step = std::ceil(largest_magnitude(sub, kSubgroupCols) / scale / 7) * scale;
      double error = 0;
      for (size_t i = 0; i < kSubgroupCols; ++i) error += std::pow(row[begin + i] - sub[i], 2);
      EXPECT_LE(error, kSubgroupCols * step * step / 4 * (1 + 0x1p-20));
    }
  }
}

TEST(Panels, UnitsBeginAtAPanel) {
  const PanelShape shape{120, 64, 40};
  EXPECT_EQ(shape.unit_panels(), 2u);
  EXPECT_EQ(shape.panels(), 6u);
  const Panels panels(shape, nullptr);
  EXPECT_EQ(panels.first_row(3), 72u);
  EXPECT_EQ(panels.rows_of(3), 8u);
  EXPECT_EQ(panels.rows_of(4), 32u);
  EXPECT_EQ(panels.units(1, 3).panels(), 4u);
}

TEST(Panels, TakeAByteAWeightAndTwoAGroup) {
  EXPECT_EQ((PanelShape{1024, 2048}.bytes()), 1024u * 2048 + 1024 * 16 * 2);
}

TEST(Panels, OfFormInt4TakeHalfAByteAWeightAndSixAGroup) {
  EXPECT_EQ((PanelShape{1024, 2048, 0, 1, PanelForm::int4}.bytes()),
            1024u * 2048 / 2 + 1024 * 16 * 6);
}

TEST(PanelsDeathTest, APartOutsideStopsTheProcess) {
  const Panels panels({64, 256, 32, 4}, nullptr);
  EXPECT_DEATH(panels.units(1, 3), "units lie inside");
  EXPECT_DEATH(panels.segments(2, 5), "segments lie inside");
}

}  // namespace
}  // namespace baton::kernels
