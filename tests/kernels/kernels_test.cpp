#include "model/kernels/kernels.h"

#include <gmock/gmock.h>

#include <bit>
#include <limits>

#include "tests/kernels/slow_twins.h"

namespace baton::kernels {
namespace {

using namespace testing;

const std::vector<size_t> kSizes = {0, 1, 2, 7, 15, 16, 17, 31, 32, 33, 48, 63, 100, 257};

class EachPath : public ::testing::TestWithParam<const Kernels*> {
 protected:
  const Kernels& k = *GetParam();
};

INSTANTIATE_TEST_SUITE_P(Paths, EachPath, ::testing::ValuesIn(paths()),
                         [](const auto& info) { return std::string(to_string(info.param->isa)); });

TEST(Kernels, BestPathIsOneThatThisProcessorHas) {
  EXPECT_EQ(kernels_for(best_kernels().isa), &best_kernels());
  EXPECT_NE(kernels_for(Isa::portable), nullptr);
}

TEST_P(EachPath, DotsHaveTheBytesOfTheirSlowTwinForAnyCount) {
  for (const size_t n : kSizes) {
    for (const size_t rows : {1, 2, 3, 4, 5, 7}) {
      for (const size_t weights : {1, 2, 3, 4, 5, 9}) {
        const auto a = random_floats(n + rows, rows * (n + 3));
        const auto b = random_floats(n + weights + 1000, weights * (n + 1));
        std::vector<float> out(rows * (weights + 2), 7);
        k.dots({{a.data(), n + 3, nullptr},
                rows,
                b.data(),
                n + 1,
                weights,
                n,
                1,
                out.data(),
                weights + 2});
        for (size_t r = 0; r < rows; ++r) {
          for (size_t w = 0; w < weights; ++w) {
            const float* x = a.data() + r * (n + 3);
            const float* y = b.data() + w * (n + 1);
            ASSERT_EQ(out[r * (weights + 2) + w], slow_dot(x, y, n)) << n << " " << r << " " << w;
            ASSERT_NEAR(out[r * (weights + 2) + w], double_dot(x, y, n), dot_tolerance(x, y, n));
          }
          EXPECT_EQ(out[r * (weights + 2) + weights], 7) << "writes nothing beyond its columns";
        }
      }
    }
  }
}

TEST_P(EachPath, SplitDotsAddTheirSegmentsByABinaryTree) {
  for (const unsigned segments : {1u, 2u, 4u, 8u}) {
    for (const size_t length : {1, 5, 16, 40}) {
      const size_t n = segments * length;
      const auto a = random_floats(n, 3 * n);
      const auto b = random_floats(n + 1, 2 * n);
      std::vector<float> out(6);
      k.dots({{a.data(), n, nullptr}, 3, b.data(), n, 2, n, segments, out.data(), 2});
      for (size_t r = 0; r < 3; ++r) {
        for (size_t w = 0; w < 2; ++w) {
          EXPECT_EQ(out[r * 2 + w],
                    slow_split_dot(a.data() + r * n, b.data() + w * n, n, segments));
        }
      }
    }
  }
}

TEST_P(EachPath, RowsMayBeGatheredByIndex) {
  const auto a = random_floats(1, 10 * 20);
  const auto b = random_floats(2, 20);
  const std::vector<uint32_t> index = {9, 0, 3, 3};
  std::vector<float> out(4);
  k.dots({{a.data(), 20, index.data()}, 4, b.data(), 20, 1, 20, 1, out.data(), 1});
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(out[i], slow_dot(a.data() + index[i] * 20, b.data(), 20));
  }
}

TEST_P(EachPath, WeightedSumAddsInOrderFromTheScaledStart) {
  for (const size_t cols : kSizes) {
    for (const uint32_t count : {1u, 2u, 64u}) {
      const std::vector<float> scales = {0, 0.5f, 1};
      const std::vector<uint32_t> counts = {count, 1, count};
      const auto w = random_floats(cols, 3 * 64);
      const auto x = random_floats(cols + 7, 64 * (cols + 2));
      const auto start = random_floats(cols + 9, 3 * (cols + 1));
      auto out = start;
      for (size_t c = 0; c < cols; ++c) out[c] = std::numeric_limits<float>::quiet_NaN();
      k.weighted_sum({{w.data(), 64, nullptr},
                      counts.data(),
                      scales.data(),
                      3,
                      x.data(),
                      cols + 2,
                      cols,
                      out.data(),
                      cols + 1});
      for (size_t r = 0; r < 3; ++r) {
        for (size_t c = 0; c < cols; ++c) {
          float sum = scales[r] == 0 ? 0 : start[r * (cols + 1) + c] * scales[r];
          for (size_t t = 0; t < counts[r]; ++t) {
            sum = std::fma(w[r * 64 + t], x[t * (cols + 2) + c], sum);
          }
          ASSERT_EQ(out[r * (cols + 1) + c], sum) << cols << " " << r << " " << c;
        }
        EXPECT_EQ(out[r * (cols + 1) + cols], start[r * (cols + 1) + cols]);
      }
    }
  }
}

// 1.5 units in the last place: what the polynomial leaves out is 2^-27, the last multiply-add
// rounds by half a unit, and the roundings before it weigh at most |r| < 0.35 of one each.
TEST_P(EachPath, ExpIsAccurateOverItsRange) {
  std::vector<float> x = random_floats(3, 20000, 87.3f);
  for (const float special : {0.0f, -0.0f, 1e-30f, -1e-30f, 0.34657f, -0.34657f, -87.33f, 88.0f}) {
    x.push_back(special);
  }
  std::vector<float> out(x.size());
  k.exp_sum(x.data(), 0, x.size(), out.data());
  for (size_t i = 0; i < x.size(); ++i) {
    const double exact = std::exp(static_cast<double>(x[i]));
    ASSERT_NEAR(out[i], exact, exact * 1.5 * 0x1p-23) << x[i];
  }
}

TEST_P(EachPath, ExpOfVeryLowIsZeroAndOfVeryHighStaysFinite) {
  const float low = -std::numeric_limits<float>::infinity();
  std::vector<float> x = {low, -1e30f, -100, -87.34f, 100, 1e30f};
  k.exp_sum(x.data(), 0, x.size(), x.data());
  EXPECT_THAT(std::vector<float>(x.begin(), x.begin() + 4), ::testing::Each(0.0f));
  EXPECT_EQ(x[4], x[5]);
  EXPECT_TRUE(std::isfinite(x[4]));
}

TEST_P(EachPath, ExpSumAddsInTheCanonicalOrder) {
  for (const size_t n : kSizes) {
    const auto x = random_floats(n, n, 10);
    std::vector<float> terms(n);
    const float sum = k.exp_sum(x.data(), 2.5f, n, terms.data());
    std::array<float, kLanes> lanes{};
    for (size_t i = 0; i < n; ++i) lanes[i % kLanes] += terms[i];
    EXPECT_EQ(sum, tree(lanes));
    EXPECT_EQ(sum, k.exp_sum(x.data(), 2.5f, n, nullptr));
  }
}

TEST_P(EachPath, RmsNormIsWithinRoundingOfTheExactOne) {
  for (const size_t n : kSizes) {
    if (n == 0) continue;
    const auto x = random_floats(n, n, 3);
    const auto weight = random_floats(n + 1, n);
    std::vector<float> out(n);
    k.rms_norm(x.data(), weight.data(), n, 1e-6f, out.data());
    const double mean = double_dot(x.data(), x.data(), n) / static_cast<double>(n);
    for (size_t i = 0; i < n; ++i) {
      const double exact = x[i] / std::sqrt(mean + 1e-6) * weight[i];
      // Half the dot's relative error through the root, and six roundings.
      const double tolerance = (static_cast<double>(n) / kLanes / 2 + 12) * 0x1p-24;
      ASSERT_NEAR(out[i], exact, std::fabs(exact) * tolerance);
    }
  }
}

TEST_P(EachPath, SiluAndSigmoidAreAccurate) {
  for (const size_t n : kSizes) {
    const auto g = random_floats(n, n, 30);
    const auto u = random_floats(n + 1, n);
    auto out = g;
    k.silu_mul(out.data(), u.data(), n);
    std::vector<float> s(n);
    k.sigmoid(g.data(), n, s.data());
    for (size_t i = 0; i < n; ++i) {
      const double sigmoid = 1 / (1 + std::exp(-static_cast<double>(g[i])));
      ASSERT_NEAR(s[i], sigmoid, sigmoid * 4 * 0x1p-23);
      const double silu = g[i] * sigmoid * u[i];
      ASSERT_NEAR(out[i], silu, std::fabs(silu) * 5 * 0x1p-23);
    }
  }
}

TEST_P(EachPath, ElementwiseKernelsTouchTheirElementsOnly) {
  for (const size_t n : kSizes) {
    const auto x = random_floats(n, n + 1);
    const auto y = random_floats(n + 1, n + 1);
    auto sum = x;
    auto scaled_sum = x;
    auto scaled = x;
    k.add(sum.data(), y.data(), n);
    k.add_scaled(scaled_sum.data(), y.data(), 0.3f, n);
    k.scale(scaled.data(), 0.3f, n);
    for (size_t i = 0; i < n; ++i) {
      ASSERT_EQ(sum[i], x[i] + y[i]);
      ASSERT_EQ(scaled_sum[i], std::fma(0.3f, y[i], x[i]));
      ASSERT_EQ(scaled[i], x[i] * 0.3f);
    }
    EXPECT_EQ(sum[n], x[n]);
    EXPECT_EQ(scaled_sum[n], x[n]);
    EXPECT_EQ(scaled[n], x[n]);
    const float largest = n == 0 ? -std::numeric_limits<float>::infinity()
                                 : *std::max_element(x.begin(), x.begin() + static_cast<int>(n));
    EXPECT_EQ(k.max(x.data(), n), largest);
  }
}

// A running softmax over blocks against one over everything, in double.
TEST_P(EachPath, SoftmaxBlocksGiveTheWeightsOfOneSoftmax) {
  const std::vector<size_t> blocks = {64, 64, 64, 5};
  const auto scores = random_floats(8, 197, 40);
  RunningSoftmax state{-std::numeric_limits<float>::infinity(), 0};
  std::vector<double> weights;
  size_t at = 0;
  for (const size_t count : blocks) {
    std::vector<float> block(scores.begin() + static_cast<int>(at),
                             scores.begin() + static_cast<int>(at + count));
    const float correction = k.softmax_block(block.data(), count, 0.25f, &state);
    for (double& weight : weights) weight *= correction;
    weights.insert(weights.end(), block.begin(), block.end());
    at += count;
  }
  double total = 0;
  for (const float score : scores) total += std::exp(0.25 * score);
  for (size_t i = 0; i < scores.size(); ++i) {
    const double exact = std::exp(0.25 * scores[i]) / total;
    // The exponent's rounding (|x| < 20 times 2^-24 twice), exp's own error, corrections and sums.
    ASSERT_NEAR(weights[i] / state.sum, exact, exact * 60 * 0x1p-23);
  }
}

TEST_P(EachPath, HalvesAreConvertedExactly) {
  std::vector<uint16_t> codes(65536);
  for (size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<uint16_t>(i);
  std::vector<float> bf16(codes.size());
  std::vector<float> f16(codes.size());
  k.unpack({codes.data(), nullptr, Format::bf16, 0, codes.size()}, bf16.data());
  k.unpack({codes.data(), nullptr, Format::f16, 0, codes.size()}, f16.data());
  for (uint32_t i = 0; i < codes.size(); ++i) {
    ASSERT_EQ(std::bit_cast<uint32_t>(bf16[i]), i << 16);
    const int exponent = static_cast<int>(i >> 10 & 31);
    const int mantissa = static_cast<int>(i & 1023);
    if (exponent == 31) continue;  // loading refuses what is not finite
    const double magnitude =
        exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
    ASSERT_EQ(f16[i], (i & 0x8000) != 0 ? -magnitude : magnitude) << i;
  }
}

TEST_P(EachPath, Fp8ValuesAreTheRoundedProductOfCodeAndBlockScale) {
  std::vector<uint8_t> codes;
  for (uint32_t i = 0; i < 300; ++i) codes.push_back(static_cast<uint8_t>(i * 7));
  const std::vector<float> scales = {0.37f, -1.1f, 3e-3f, 5};
  for (const size_t first : {0, 1, 100, 127, 128, 130}) {
    for (const size_t count : {0, 1, 5, 16, 29, 150, 300}) {
      std::vector<float> out(count + 1, 7);
      k.unpack({codes.data(), scales.data(), Format::f8_e4m3, first, count}, out.data());
      for (size_t i = 0; i < count; ++i) {
        const uint32_t code = codes[i];
        if ((code & 0x7f) == 0x7f) continue;  // NaN: loading refuses it
        const int exponent = static_cast<int>(code >> 3 & 15);
        const int mantissa = static_cast<int>(code & 7);
        const auto magnitude = static_cast<float>(
            exponent == 0 ? std::ldexp(mantissa, -9) : std::ldexp(8 + mantissa, exponent - 10));
        const float value = (code & 0x80) != 0 ? -magnitude : magnitude;
        ASSERT_EQ(out[i], value * scales[(first + i) / kScaleBlock]) << first << " " << i;
      }
      EXPECT_EQ(out[count], 7);
    }
  }
}

TEST_P(EachPath, UnalignedWeightsAreReadAsTheyLie) {
  const auto values = random_floats(5, 40);
  std::vector<std::byte> bytes(4 * 40 + 1);
  std::memcpy(bytes.data() + 1, values.data(), 4 * 40);
  std::vector<float> out(40);
  k.unpack({bytes.data() + 1, nullptr, Format::f32, 0, 40}, out.data());
  EXPECT_EQ(out, values);
}

// What no slow twin above pins down bit by bit.
TEST_P(EachPath, TranscendentalKernelsHaveThePortableBytes) {
  const Kernels& portable = *kernels_for(Isa::portable);
  for (const size_t n : kSizes) {
    if (n == 0) continue;
    const auto x = random_floats(n, n, 20);
    const auto y = random_floats(n + 1, n);
    auto a = x;
    auto b = x;
    k.silu_mul(a.data(), y.data(), n);
    portable.silu_mul(b.data(), y.data(), n);
    EXPECT_EQ(a, b);
    k.sigmoid(x.data(), n, a.data());
    portable.sigmoid(x.data(), n, b.data());
    EXPECT_EQ(a, b);
    k.rms_norm(x.data(), y.data(), n, 1e-6f, a.data());
    portable.rms_norm(x.data(), y.data(), n, 1e-6f, b.data());
    EXPECT_EQ(a, b);
    a = b = x;
    RunningSoftmax state{1.5f, 2.5f};
    RunningSoftmax expected = state;
    EXPECT_EQ(k.softmax_block(a.data(), n, 0.3f, &state),
              portable.softmax_block(b.data(), n, 0.3f, &expected));
    EXPECT_EQ(a, b);
    EXPECT_EQ(state.sum, expected.sum);
    EXPECT_EQ(state.max, expected.max);
  }
}

TEST_P(EachPath, LogSumExpIsAccurateAndTheSameOnEachPath) {
  for (const size_t n : {1, 16, 255, 256, 257, 5000}) {
    const auto x = random_floats(n, n, 30);
    const float result = log_sum_exp(k, x.data(), n);
    EXPECT_EQ(result, log_sum_exp(*kernels_for(Isa::portable), x.data(), n));
    double total = 0;
    for (const float v : x) total += std::exp(static_cast<double>(v));
    EXPECT_NEAR(result, std::log(total), 30 * 0x1p-24 + 40 * 0x1p-24);
  }
}

}  // namespace
}  // namespace baton::kernels
