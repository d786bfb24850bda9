// What every path's tiles of lanes are held to, for native and emulated paths.
//
// Thread safety: pure functions.
#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <vector>

#include "model/kernels/kernels.h"
#include "tests/kernels/slow_e4m3.h"
#include "tests/kernels/slow_twins.h"

namespace baton::kernels::testing {

// One chain of fused multiply-adds in their order, and its derived tolerance: one rounding each, of
// a partial sum that is at most the magnitudes' sum.
struct Chain {
  float sum = 0;
  double exact = 0;
  double magnitude = 0;
  size_t length = 0;

  explicit Chain(float start = 0) : sum(start), exact(start), magnitude(std::fabs(start)) {}
  void add(float x, float y) {
    sum = std::fma(x, y, sum);
    exact += static_cast<double>(x) * y;
    magnitude += std::fabs(static_cast<double>(x) * y);
    ++length;
  }
  void expect(float got) const {
    ASSERT_EQ(got, sum);
    ASSERT_NEAR(got, exact, static_cast<double>(length) * 0x1p-24 * magnitude);
  }
};

// A block of floats, and the same in the panels of a TileBlock.
struct Columns {
  size_t count, cols;
  std::vector<float> rows;    // [count, cols]
  std::vector<float> panels;  // [cols / width, 64, width]

  Columns(size_t count, size_t cols, size_t width)
      : count(count),
        cols(cols),
        rows(random_floats(count + cols, count * cols + 1)),
        panels((cols + width - 1) / width * width * kTilePositions, NAN) {
    for (size_t t = 0; t < count; ++t) {
      for (size_t c = 0; c < cols; ++c) {
        panels[c / width * width * kTilePositions + t * width + c % width] = rows[t * cols + c];
      }
    }
  }
  TileBlock block() const { return {panels.data(), count, cols}; }
  float at(size_t t, size_t c) const { return rows[t * cols + c]; }
};

inline void expect_scores(const Kernels& k, size_t count, size_t cols, size_t lanes) {
  const Columns keys(count, cols, kKeyCols);
  const auto queries = random_floats(cols, cols * lanes);
  const auto before = random_floats(lanes, (count + 1) * lanes);
  auto scores = before;
  k.tiles->scores({keys.block(), lanes, queries.data(), scores.data()});
  for (size_t t = 0; t < count; ++t) {
    for (size_t lane = 0; lane < lanes; ++lane) {
      Chain chain;
      for (size_t c = 0; c < cols; ++c) chain.add(keys.at(t, c), queries[c * lanes + lane]);
      chain.expect(scores[t * lanes + lane]);
    }
  }
  for (size_t i = count * lanes; i < scores.size(); ++i) ASSERT_EQ(scores[i], before[i]);
}

inline void expect_values(const Kernels& k, size_t count, size_t cols, size_t lanes) {
  const Columns values(count, cols, kValueCols);
  const auto weights = random_floats(count, count * lanes);
  const auto scale = random_floats(9, lanes);
  const auto before = random_floats(lanes, (cols + 1) * lanes);
  auto out = before;
  k.tiles->values({values.block(), lanes, weights.data(), scale.data(), out.data()});
  for (size_t c = 0; c < cols; ++c) {
    for (size_t lane = 0; lane < lanes; ++lane) {
      Chain chain(before[c * lanes + lane] * scale[lane]);
      for (size_t t = 0; t < count; ++t) chain.add(values.at(t, c), weights[t * lanes + lane]);
      chain.expect(out[c * lanes + lane]);
    }
  }
  for (size_t i = cols * lanes; i < out.size(); ++i) ASSERT_EQ(out[i], before[i]);
}

inline void expect_block_products(const Kernels& k) {
  for (const size_t count : {1, 5, 6, 7, 16, 17, 63, 64}) {
    for (const size_t cols : {1, 6, 24, 32, 33, 64, 192, 200}) {
      for (const size_t lanes : {16, 32}) {
        expect_scores(k, count, cols, lanes);
        expect_values(k, count, cols, lanes);
      }
    }
  }
}

// Cached entries for a group of tiles, of which some see less and one sees nothing. The first
// `codes` columns are FP8.
inline void expect_entry_products(const Kernels& k, size_t count, size_t width, size_t cols,
                                  size_t codes = 0) {
  const size_t bytes = codes + (codes + kCodeGroup - 1) / kCodeGroup * 4 + 2 * (width - codes);
  const auto values = random_floats(count, count * width);
  std::vector<uint8_t> stored(bytes * count);
  for (size_t t = 0; t < count; ++t) {
    k.tiles->store_entry(values.data() + t * width, width, codes, stored.data() + t * bytes);
  }
  const CachedEntries block{stored.data(), count, width, codes};
  std::vector<float> wide(count * width);
  k.tiles->widen(block, wide.data());
  const auto entry = [&](size_t t, size_t c) { return wide[t * width + c]; };
  const TileEntries entries{
      block, stored.data(), kTileGroup, {32, 16, 32, 16}, {count, count, (count + 1) / 2, 0}};
  const auto queries = random_floats(width, kTileGroup * width * kTileLanes);
  std::vector<float> scores(kTileGroup * kTilePositions * kTileLanes, 3);
  k.tiles->entry_scores({entries, queries.data(), scores.data()});
  const auto weights = random_floats(7, scores.size());
  const auto scale = random_floats(8, kTileGroup * kTileLanes);
  const auto before = random_floats(9, kTileGroup * cols * kTileLanes);
  auto out = before;
  k.tiles->entry_values({entries, cols, weights.data(), scale.data(), out.data()});
  for (size_t tile = 0; tile < kTileGroup; ++tile) {
    const size_t lanes = entries.lanes[tile];
    const size_t at_scores = tile * kTilePositions * kTileLanes;
    const size_t at_out = tile * cols * kTileLanes;
    for (size_t lane = 0; lane < lanes; ++lane) {
      for (size_t t = 0; t < entries.seen[tile]; ++t) {
        Chain chain;
        for (size_t c = 0; c < width; ++c) {
          chain.add(entry(t, c), queries[tile * width * kTileLanes + c * lanes + lane]);
        }
        chain.expect(scores[at_scores + t * lanes + lane]);
      }
      for (size_t c = 0; c < cols; ++c) {
        const size_t at = at_out + c * lanes + lane;
        if (entries.seen[tile] == 0) {
          ASSERT_EQ(out[at], before[at]);
          continue;
        }
        Chain chain(before[at] * scale[tile * kTileLanes + lane]);
        for (size_t t = 0; t < entries.seen[tile]; ++t) {
          chain.add(entry(t, c), weights[at_scores + t * lanes + lane]);
        }
        chain.expect(out[at]);
      }
    }
    for (size_t i = at_out + cols * lanes; i < at_out + cols * kTileLanes; ++i) {
      ASSERT_EQ(out[i], before[i]) << "not its lanes";
    }
    for (size_t i = at_scores + count * lanes; i < at_scores + kTilePositions * kTileLanes; ++i) {
      ASSERT_EQ(scores[i], 3);
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
  std::vector<float> max(lanes, kNoScore);
  std::vector<float> sum(lanes, 0);
  std::vector<float> correction(lanes);
  std::vector<float> slow_max = max;
  std::vector<float> slow_sum = sum;
  for (unsigned block = 0; block < 3; ++block) {
    auto scores = random_floats(count + block, (count + 1) * lanes, 40);
    const auto before = scores;
    std::vector<float> visible(lanes);
    for (size_t lane = 0; lane < lanes; ++lane) {
      visible[lane] = static_cast<float>(lane * 5 % (count + 2));  // 0, some or all
    }
    const bool masked = block != 1;
    k.tiles->softmax({scores.data(), count, lanes, masked ? visible.data() : nullptr, max.data(),
                      sum.data(), correction.data()});
    for (size_t lane = 0; lane < lanes; ++lane) {
      const auto seen = [&](size_t t) { return !masked || static_cast<float>(t) < visible[lane]; };
      float most = slow_max[lane];
      for (size_t t = 0; t < count; ++t) {
        if (seen(t)) most = std::max(most, before[t * lanes + lane]);
      }
      float total = 0;
      for (size_t t = 0; t < count; ++t) {
        const size_t at = t * lanes + lane;
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
    for (size_t i = count * lanes; i < scores.size(); ++i) ASSERT_EQ(scores[i], before[i]);
  }
}

inline void expect_merged_tiles(const Kernels& k) {
  for (const size_t rows : {1, 5, 64}) {
    for (const size_t lanes : {16, 32}) {
      auto out = random_floats(rows, rows * lanes);
      const auto before = out;
      const auto part = random_floats(rows + 1, rows * lanes);
      auto max = random_floats(2, lanes, 30);
      auto sum = random_floats(3, lanes);
      auto part_max = random_floats(4, lanes, 30);
      const auto part_sum = random_floats(5, lanes);
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
          const size_t at = r * lanes + lane;
          ASSERT_EQ(out[at], std::fma(part[at], d, before[at] * c));
        }
      }
    }
  }
}

inline void expect_turned_tiles(const Kernels& k) {
  for (const size_t rows : {0, 1, 5, 16, 17, 31, 32}) {
    const size_t width = rows <= 16 ? 16 : kTileLanes;
    for (const size_t cols : {1, 7, 16, 40}) {
      const size_t stride = cols + 2;
      const auto in = random_floats(rows + cols, (rows + 1) * stride);
      const auto scale = random_floats(3, kTileLanes);
      std::vector<float> lanes(cols * width + 1, 7);
      k.tiles->to_lanes(in.data(), stride, rows, cols, 0.3f, lanes.data());
      std::vector<float> back((rows + 1) * stride, 7);
      k.tiles->from_lanes(lanes.data(), rows, cols, scale.data(), back.data(), stride);
      for (size_t c = 0; c < cols; ++c) {
        for (size_t lane = 0; lane < width; ++lane) {
          ASSERT_EQ(lanes[c * width + lane], lane < rows ? in[lane * stride + c] * 0.3f : 0.0f);
        }
      }
      EXPECT_EQ(lanes.back(), 7);
      for (size_t r = 0; r <= rows; ++r) {
        for (size_t c = 0; c < stride; ++c) {
          const bool inside = r < rows && c < cols;
          ASSERT_EQ(back[r * stride + c], inside ? lanes[c * width + r] * scale[r] : 7.0f);
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
    k.tiles->store_entry(values.data(), n, 0, out.data());
    std::vector<float> back(n);
    k.tiles->widen({out.data(), 1, n, 0}, back.data());
    for (size_t i = 0; i < n; ++i) {
      const uint32_t bits = std::bit_cast<uint32_t>(values[i]);
      uint32_t expected = bits >> 16;
      const uint32_t rest = bits & 0xffff;
      if (rest > 0x8000 || (rest == 0x8000 && expected % 2 == 1)) ++expected;
      ASSERT_EQ(static_cast<uint32_t>(out[2 * i] | out[2 * i + 1] << 8), expected) << values[i];
      ASSERT_EQ(std::bit_cast<uint32_t>(back[i]), expected << 16);
    }
    EXPECT_EQ(out[2 * n], 7);
  }
}

// Groups of ordinary, tiny, equal and zero values, and the last one cut; BF16 behind them.
inline void expect_fp8_rounding(const Kernels& k) {
  constexpr size_t kCodes = 4 * kCodeGroup + 40;
  constexpr size_t kWidth = kCodes + 5;
  auto values = random_floats(6, kWidth);
  for (size_t i = 0; i < kCodeGroup; ++i) {
    values[kCodeGroup + i] *= 1e-31f;
    values[2 * kCodeGroup + i] = std::ldexp(1.0f + static_cast<float>(i) / 16, i % 9 - 9);
    values[3 * kCodeGroup + i] = i == 77 ? -3.0f : 0.0f;
  }
  values[2 * kCodeGroup] = 448;  // a scale of 1, so that ties stay ties
  const size_t bytes = kCodes + 5 * 4 + 2 * (kWidth - kCodes);
  std::vector<uint8_t> out(bytes + 1, 7);
  k.tiles->store_entry(values.data(), kWidth, kCodes, out.data());
  EXPECT_EQ(out[bytes], 7);
  std::vector<float> back(kWidth);
  k.tiles->widen({out.data(), 1, kWidth, kCodes}, back.data());
  auto expected = values;
  for (size_t first = 0; first < kCodes; first += kCodeGroup) {
    baton::testing::round_to_e4m3(
        std::span(expected).subspan(first, std::min(kCodeGroup, kCodes - first)));
  }
  for (size_t i = 0; i < kCodes; ++i) ASSERT_EQ(back[i], expected[i]) << i << ": " << values[i];
  for (size_t i = kCodes; i < kWidth; ++i) {
    ASSERT_NEAR(back[i], values[i], 0x1p-8 * std::fabs(values[i])) << i;
  }
}

}  // namespace baton::kernels::testing
