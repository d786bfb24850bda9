#include "model/kernels/int8/int8_rows.h"

#include <gmock/gmock.h>

#include "tests/kernels/int8_cases.h"

namespace baton::kernels {
namespace {

using namespace testing;

class Int8Path : public ::testing::TestWithParam<const Kernels*> {
 protected:
  const Kernels& k = *GetParam();
};

INSTANTIATE_TEST_SUITE_P(Paths, Int8Path, ::testing::ValuesIn(paths()),
                         [](const auto& info) { return std::string(to_string(info.param->isa)); });

TEST_P(Int8Path, ProductsHaveTheBytesOfTheirSlowTwin) {
  for (const Int8Case& c : int8_cases()) expect_int8_products(k, c);
}

TEST_P(Int8Path, TheLargestCodesDontSaturate) {
  expect_no_saturation(k, PanelForm::int8);
  expect_no_saturation(k, PanelForm::int4);
}

TEST_P(Int8Path, RowsAreQuantisedByGroup) {
  for (const uint32_t cols : {1u, 3u, 4u, 16u, 100u, 128u, 129u, 131u, 300u, 512u}) {
    for (const uint32_t segments : {1u, 2u, 8u}) {
      const Contraction c{segments, cols};
      const auto x = random_floats(cols, size_t{segments} * cols, 9);
      Int8Buffer buffer(int8_size(2, c));
      buffer.shape(c, 2);
      buffer.quantize(k, 1, x.data());
      const SlowRow slow = slow_quantize(x.data(), c);
      const Int8Rows row = buffer.rows(1);
      size_t group = 0;
      each_group(c, [&](size_t begin, size_t n) {
        ASSERT_EQ(row.scales[group], slow.scales[group]);
        int sum = 0;
        const size_t segment = begin / cols;
        const int8_t* codes = row.codes + segment * ((cols + 3) / 4 * 4) + begin % cols;
        for (size_t i = 0; i < n; ++i) {
          ASSERT_EQ(codes[i], slow.codes[begin + i]) << begin + i;
          sum += codes[i];
        }
        for (size_t i = n; i % 4 != 0; ++i) ASSERT_EQ(codes[i], 0) << "filling";
        ASSERT_EQ(row.shifts[group], -128 * sum);
        ++group;
      });
    }
  }
}

TEST_P(Int8Path, GroupsOfARowMayComeOneByOne) {
  const auto x = random_floats(4, 300);
  const Contraction c{1, 300};
  Int8Buffer whole(int8_size(1, c));
  Int8Buffer parts = whole;
  whole.shape(c, 1);
  parts.shape(c, 1);
  whole.quantize(k, 0, x.data());
  parts.quantize_groups(k, 0, 1, x.data() + 128, 172);
  parts.quantize_groups(k, 0, 0, x.data(), 128);
  const Int8Rows a = whole.rows();
  const Int8Rows b = parts.rows();
  EXPECT_EQ(std::vector(a.codes, a.codes + 300), std::vector(b.codes, b.codes + 300));
  EXPECT_EQ(std::vector(a.scales, a.scales + 3), std::vector(b.scales, b.scales + 3));
  EXPECT_EQ(std::vector(a.shifts, a.shifts + 3), std::vector(b.shifts, b.shifts + 3));
}

TEST_P(Int8Path, GatheredRowsAndPartsOfAWeightGiveTheSameBytes) {
  for (const PanelForm form : {PanelForm::int8, PanelForm::int4}) {
    Int8Problem problem({6, 120, 256, 4, 40, form});
    problem.pack(k);
    const Panels panels(problem.shape, problem.packed.data());
    const Contraction c = panels.contraction();
    Int8Buffer in(int8_size(6, c));
    in.shape(c, 6);
    for (size_t r = 0; r < 6; ++r) in.quantize(k, r, problem.x.data() + r * 256);
    std::vector<float> all(6 * 120);
    multiply_panels(k, in.rows(), 6, panels, 0, panels.panels(), all.data(), 120);

    const std::vector<uint32_t> index = {5, 0, 0, 3};
    Int8Buffer some(int8_size(4, c));
    some.shape(c, 4);
    some.gather(in.rows(), index);
    const Panels unit = panels.units(1, 3);
    ASSERT_EQ(unit.rows(), 80u);
    std::vector<float> out(4 * 80);
    multiply_panels(k, some.rows(), 4, unit, 0, unit.panels(), out.data(), 80);
    for (size_t r = 0; r < 4; ++r) {
      for (size_t w = 0; w < 80; ++w) ASSERT_EQ(out[r * 80 + w], all[index[r] * 120 + 40 + w]);
    }
  }
}

TEST(Int8Rows, PartialSumsOfSegmentsAddUpToTheWhole) {
  const Kernels& k = best_kernels();
  for (const PanelForm form : {PanelForm::int8, PanelForm::int4}) {
    Int8Problem problem({3, 32, 512, 4, 0, form});
    problem.pack(k);
    const Panels panels(problem.shape, problem.packed.data());
    std::vector<std::vector<float>> parts;
    for (unsigned half = 0; half < 2; ++half) {
      const Panels part = panels.segments(2 * half, 2 * half + 2);
      ASSERT_EQ(part.cols(), 256u);
      const Contraction c = part.contraction();
      Int8Buffer in(int8_size(3, c));
      in.shape(c, 3);
      for (size_t r = 0; r < 3; ++r) {
        in.quantize(k, r, problem.x.data() + r * 512 + half * 256);
      }
      multiply_panels(k, in.rows(), 3, part, 0, 1, parts.emplace_back(3 * 32).data(), 32);
    }
    Int8Buffer in(int8_size(3, panels.contraction()));
    in.shape(panels.contraction(), 3);
    for (size_t r = 0; r < 3; ++r) in.quantize(k, r, problem.x.data() + r * 512);
    std::vector<float> whole(3 * 32);
    multiply_panels(k, in.rows(), 3, panels, 0, 1, whole.data(), 32);
    for (size_t i = 0; i < whole.size(); ++i) ASSERT_EQ(whole[i], parts[0][i] + parts[1][i]);
  }
}

}  // namespace
}  // namespace baton::kernels
