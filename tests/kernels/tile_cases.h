// What every path's tiles of lanes are held to, for native and emulated paths.
//
// Thread safety: pure functions.
#pragma once

#include <gtest/gtest.h>

#include "model/kernels/kernels.h"
#include "tests/kernels/slow_twins.h"

namespace baton::kernels::testing {

inline constexpr size_t kLaneStride = kTileLanes;

inline void expect_tile_product(const Kernels& k, size_t rows, size_t depth, size_t lanes,
                                bool down, bool scaled) {
  const size_t a_row = down ? 1 : depth + 2;
  const size_t a_step = down ? rows + 3 : 1;
  const auto a = random_floats(rows + depth, (rows + 3) * (depth + 3));
  const auto b = random_floats(depth, (depth + 1) * kLaneStride);
  const auto scale = random_floats(9, kLaneStride);
  const auto start = random_floats(lanes, (rows + 1) * kLaneStride);
  auto out = start;
  k.tiles->product({a.data(), a_row, a_step, b.data(), rows, depth, lanes,
                    scaled ? scale.data() : nullptr, out.data()});
  for (size_t m = 0; m < rows; ++m) {
    for (size_t lane = 0; lane < lanes; ++lane) {
      const size_t at = m * kLaneStride + lane;
      float sum = scaled ? start[at] * scale[lane] : 0;
      double exact = sum;
      double magnitude = std::fabs(sum);
      for (size_t d = 0; d < depth; ++d) {
        const float x = a[m * a_row + d * a_step];
        const float y = b[d * kLaneStride + lane];
        sum = std::fma(x, y, sum);
        exact += static_cast<double>(x) * y;
        magnitude += std::fabs(static_cast<double>(x) * y);
      }
      ASSERT_EQ(out[at], sum) << rows << " " << depth << " " << lanes << ": " << m << " " << lane;
      // One rounding a multiply-add, each of a partial sum that is at most the magnitudes' sum.
      ASSERT_NEAR(out[at], exact, static_cast<double>(depth) * 0x1p-24 * magnitude);
    }
    for (size_t lane = lanes; lane < kLaneStride; ++lane) {
      ASSERT_EQ(out[m * kLaneStride + lane], start[m * kLaneStride + lane]) << "not its lanes";
    }
  }
  for (size_t i = rows * kLaneStride; i < out.size(); ++i) ASSERT_EQ(out[i], start[i]);
}

inline void expect_tile_products(const Kernels& k) {
  for (const size_t rows : {0, 1, 2, 3, 5, 6, 7, 8, 9, 16, 17, 19, 64, 66}) {
    for (const size_t depth : {0, 1, 2, 64, 67}) {
      for (const size_t lanes : {16, 32}) {
        expect_tile_product(k, rows, depth, lanes, rows % 2 == 0, depth % 2 == 0);
        expect_tile_product(k, rows, depth, lanes, rows % 2 != 0, depth % 2 == 0);
      }
    }
  }
}

// exp(x) with the bytes that every path gives it (kernels_test.cpp).
inline float portable_exp(float x) {
  float out = 0;
  kernels_for(Isa::portable)->exp_sum(&x, 0, 1, &out);
  return out;
}

// Three blocks, the second hidden from some lanes, against a running softmax lane by lane.
inline void expect_tile_softmax(const Kernels& k, size_t count, size_t lanes) {
  std::vector<float> max(kLaneStride, kNoScore);
  std::vector<float> sum(kLaneStride, 0);
  std::vector<float> correction(kLaneStride);
  std::vector<float> slow_max = max;
  std::vector<float> slow_sum = sum;
  for (unsigned block = 0; block < 3; ++block) {
    auto scores = random_floats(count + block, (count + 1) * kLaneStride, 40);
    const auto before = scores;
    std::vector<float> visible(kLaneStride);
    for (size_t lane = 0; lane < kLaneStride; ++lane) {
      visible[lane] = static_cast<float>(lane * 5 % (count + 2));  // 0, some or all
    }
    const bool masked = block != 1;
    k.tiles->softmax({scores.data(), count, lanes, masked ? visible.data() : nullptr, max.data(),
                      sum.data(), correction.data()});
    for (size_t lane = 0; lane < lanes; ++lane) {
      const auto seen = [&](size_t t) { return !masked || static_cast<float>(t) < visible[lane]; };
      float most = slow_max[lane];
      for (size_t t = 0; t < count; ++t) {
        if (seen(t)) most = std::max(most, before[t * kLaneStride + lane]);
      }
      float total = 0;
      for (size_t t = 0; t < count; ++t) {
        const size_t at = t * kLaneStride + lane;
        const float p = seen(t) ? portable_exp(before[at] - most) : 0;
        ASSERT_EQ(scores[at], p) << t << " " << lane;
        total += p;
      }
      const float c = portable_exp(slow_max[lane] - most);
      ASSERT_EQ(correction[lane], c);
      slow_sum[lane] = std::fma(slow_sum[lane], c, total);
      slow_max[lane] = most;
      ASSERT_EQ(sum[lane], slow_sum[lane]);
      ASSERT_EQ(max[lane], most);
    }
    for (size_t i = count * kLaneStride; i < scores.size(); ++i) ASSERT_EQ(scores[i], before[i]);
  }
}

inline void expect_merged_tiles(const Kernels& k) {
  for (const size_t rows : {1, 5, 64}) {
    for (const size_t lanes : {16, 32}) {
      auto out = random_floats(rows, rows * kLaneStride);
      const auto before = out;
      const auto part = random_floats(rows + 1, rows * kLaneStride);
      auto max = random_floats(2, kLaneStride, 30);
      auto sum = random_floats(3, kLaneStride);
      auto part_max = random_floats(4, kLaneStride, 30);
      const auto part_sum = random_floats(5, kLaneStride);
      max[0] = kNoScore;  // nothing so far; nothing new; nothing at all
      part_max[1] = kNoScore;
      max[2] = part_max[2] = kNoScore;
      const auto max_before = max;
      const auto sum_before = sum;
      k.tiles->merge({out.data(), part.data(), rows, lanes, max.data(), sum.data(), part_max.data(),
                      part_sum.data()});
      for (size_t lane = 0; lane < lanes; ++lane) {
        const float most = std::max(max_before[lane], part_max[lane]);
        const float c = portable_exp(max_before[lane] - most);
        const float d = portable_exp(part_max[lane] - most);
        ASSERT_EQ(max[lane], most);
        ASSERT_EQ(sum[lane], std::fma(part_sum[lane], d, sum_before[lane] * c));
        for (size_t r = 0; r < rows; ++r) {
          const size_t at = r * kLaneStride + lane;
          ASSERT_EQ(out[at], std::fma(part[at], d, before[at] * c));
        }
      }
    }
  }
}

inline void expect_turned_tiles(const Kernels& k) {
  for (const size_t rows : {0, 1, 5, 16, 31, 32}) {
    for (const size_t cols : {1, 7, 16, 40}) {
      const size_t stride = cols + 2;
      const auto in = random_floats(rows + cols, (rows + 1) * stride);
      const auto scale = random_floats(3, kLaneStride);
      std::vector<float> lanes(cols * kLaneStride, 7);
      k.tiles->to_lanes(in.data(), stride, rows, cols, 0.3f, lanes.data());
      std::vector<float> back((rows + 1) * stride, 7);
      k.tiles->from_lanes(lanes.data(), rows, cols, scale.data(), back.data(), stride);
      for (size_t c = 0; c < cols; ++c) {
        for (size_t lane = 0; lane < kLaneStride; ++lane) {
          ASSERT_EQ(lanes[c * kLaneStride + lane],
                    lane < rows ? in[lane * stride + c] * 0.3f : 0.0f);
        }
      }
      for (size_t r = 0; r <= rows; ++r) {
        for (size_t c = 0; c < stride; ++c) {
          const bool inside = r < rows && c < cols;
          ASSERT_EQ(back[r * stride + c], inside ? lanes[c * kLaneStride + r] * scale[r] : 7.0f);
        }
      }
    }
  }
}

inline void expect_bf16_rounding(const Kernels& k) {
  std::vector<float> values = random_floats(5, 300, 1e4f);
  for (const uint32_t bits : {0u, 0x80000000u, 0x3f808000u, 0x3f818000u, 0x3f808001u, 0x3f807fffu,
                              0x00000001u, 0x00008000u, 0x00018000u, 0x7f7f7fffu}) {
    values.push_back(std::bit_cast<float>(bits));
  }
  for (const size_t n : {size_t{0}, size_t{1}, size_t{16}, size_t{33}, values.size()}) {
    std::vector<uint8_t> out(2 * n + 2, 7);
    k.tiles->to_bf16(values.data(), n, out.data());
    for (size_t i = 0; i < n; ++i) {
      const auto code = static_cast<uint32_t>(out[2 * i] | out[2 * i + 1] << 8);
      const uint32_t bits = std::bit_cast<uint32_t>(values[i]);
      uint32_t expected = bits >> 16;
      const uint32_t rest = bits & 0xffff;
      if (rest > 0x8000 || (rest == 0x8000 && expected % 2 == 1)) ++expected;
      ASSERT_EQ(code, expected) << values[i];
    }
    EXPECT_EQ(out[2 * n], 7);
  }
}

}  // namespace baton::kernels::testing
