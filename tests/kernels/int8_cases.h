// What every path's INT8 products and tiles of lanes are held to, for native and emulated paths.
//
// Thread safety: pure functions.
#pragma once

#include <gtest/gtest.h>

#include "model/kernels/int8/int8_rows.h"
#include "tests/kernels/slow_int8.h"

namespace baton::kernels::testing {

struct Int8Case {
  size_t rows, weights, cols;
  unsigned segments = 1;
  size_t unit = 0;
  PanelForm form = PanelForm::int8;
};

// Sizes 0 and 1, full and partial quads, groups, tiles, panels, calls, units and segments.
inline std::vector<Int8Case> int8_cases() {
  std::vector<Int8Case> cases = {
      {0, 5, 8},        {1, 1, 1},           {1, 33, 3},         {2, 32, 128},
      {3, 64, 129},     {4, 31, 100},        {5, 70, 260},       {7, 32, 132},
      {8, 40, 384},     {9, 32, 64},         {12, 96, 256},      {13, 32, 128},
      {16, 32, 64},     {17, 45, 128},       {25, 32, 200},      {33, 64, 512},
      {97, 32, 136},    {200, 33, 128},      {3, 40, 256, 8},    {5, 32, 1024, 4},
      {18, 32, 300, 2}, {6, 60, 128, 1, 20}, {4, 96, 64, 1, 48}, {14, 40, 640, 4, 20}};
  const size_t count = cases.size();
  for (size_t i = 0; i < count; ++i) {
    cases.push_back(cases[i]);
    cases.back().form = PanelForm::int4;
  }
  return cases;
}

struct Int8Problem {
  explicit Int8Problem(const Int8Case& c)
      : shape{c.weights, c.cols, c.unit, c.segments, c.form},
        x(random_floats(c.rows + 1, c.rows * c.cols)),
        w(random_floats(c.weights + 2, c.weights * c.cols, 0.05f)),
        packed(shape.bytes()) {
    // Groups of very different size, a group of zeros, and one that is too small to count.
    for (size_t i = 0; i < x.size(); ++i) x[i] *= (i / kGroupCols) % 3 == 2 ? 100.0f : 1.0f;
    if (c.rows > 2) std::fill_n(x.begin() + static_cast<ptrdiff_t>(c.cols), c.cols, 0.0f);
    if (c.rows > 3) std::fill_n(x.begin() + static_cast<ptrdiff_t>(2 * c.cols), c.cols, 1e-35f);
    if (c.weights > 3) std::fill_n(w.begin(), c.cols, 0.0f);
    // Subgroups of very different size.
    for (size_t i = 0; i < w.size(); ++i) w[i] *= (i / kSubgroupCols) % 5 == 4 ? 0.02f : 1.0f;
  }

  void pack(const Kernels& kernels) {
    const Panels panels(shape, packed.data());
    for (size_t p = 0; p < panels.panels(); ++p) {
      const size_t first = panels.first_row(p);
      pack_panel(kernels, shape,
                 std::span(w).subspan(first * shape.cols, panels.rows_of(p) * shape.cols),
                 packed.data() + p * panels.stride());
    }
  }

  PanelShape shape;
  std::vector<float> x;
  std::vector<float> w;
  std::vector<std::byte> packed;
};

inline void expect_int8_products(const Kernels& k, const Int8Case& c) {
  Int8Problem problem(c);
  problem.pack(k);
  const Panels panels(problem.shape, problem.packed.data());
  const Contraction contraction = panels.contraction();
  Int8Buffer in(int8_size(c.rows, contraction));
  in.shape(contraction, c.rows);
  for (size_t r = 0; r < c.rows; ++r) in.quantize(k, r, problem.x.data() + r * c.cols);
  const size_t stride = c.weights + 3;
  std::vector<float> out(c.rows * stride, 7);
  multiply_panels(k, in.rows(), c.rows, panels, 0, panels.panels(), out.data(), stride);
  std::vector<SlowRow> weights;
  for (size_t w = 0; w < c.weights; ++w) {
    weights.push_back(slow_quantize_form(c.form, problem.w.data() + w * c.cols, contraction));
  }
  for (size_t r = 0; r < c.rows; ++r) {
    const float* x = problem.x.data() + r * c.cols;
    const SlowRow row = slow_quantize(x, contraction);
    for (size_t w = 0; w < c.weights; ++w) {
      const float value = out[r * stride + w];
      ASSERT_EQ(std::bit_cast<uint32_t>(value),
                std::bit_cast<uint32_t>(slow_product(row, weights[w], contraction)))
          << "row " << r << ", weight row " << w << " of " << c.weights << " x " << c.cols;
      const float* y = problem.w.data() + w * c.cols;
      ASSERT_NEAR(value, double_dot(x, y, c.cols),
                  quantised_tolerance(x, y, contraction, row, weights[w], c.form));
    }
    for (size_t w = c.weights; w < stride; ++w) {
      ASSERT_EQ(out[r * stride + w], 7) << "writes nothing beyond its columns";
    }
  }
}

// All codes at their ends: the largest sums that there can be.
inline void expect_no_saturation(const Kernels& k, PanelForm form) {
  for (const float sign : {1.0f, -1.0f}) {
    Int8Problem problem({5, 32, 256, 1, 0, form});
    std::fill(problem.x.begin(), problem.x.end(), 2.0f);
    std::fill(problem.w.begin(), problem.w.end(), sign * 3.0f);
    problem.pack(k);
    const Panels panels(problem.shape, problem.packed.data());
    Int8Buffer in(int8_size(5, panels.contraction()));
    in.shape(panels.contraction(), 5);
    for (size_t r = 0; r < 5; ++r) in.quantize(k, r, problem.x.data() + r * 256);
    std::vector<float> out(5 * 32);
    multiply_panels(k, in.rows(), 5, panels, 0, 1, out.data(), 32);
    const SlowRow x = slow_quantize(problem.x.data(), panels.contraction());
    const SlowRow w = slow_quantize_form(form, problem.w.data(), panels.contraction());
    for (const float value : out) ASSERT_EQ(value, slow_product(x, w, panels.contraction()));
    EXPECT_NEAR(out[0], sign * 6 * 256, 6 * 256 * 0.01);
  }
}

}  // namespace baton::kernels::testing
