#include "model/kernels/scalar_math.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/hash/counter_rng.h"

namespace baton::kernels {
namespace {

double uniform(SeededRandom& random, double low, double high) {
  return low + (high - low) * static_cast<double>(random.next() >> 11) * 0x1p-53;
}

TEST(ScalarMath, ExponentialAgreesWithLongDouble) {
  SeededRandom random(1);
  for (int i = 0; i < 20000; ++i) {
    const double x = uniform(random, -700, 700);
    const long double exact = std::exp(static_cast<long double>(x));
    EXPECT_NEAR(static_cast<double>(exponential(x) / exact), 1, 4 * 0x1p-52) << x;
  }
  EXPECT_EQ(exponential(0), 1);
  EXPECT_EQ(exponential(-1000), 0);
}

TEST(ScalarMath, LogarithmAgreesWithLongDouble) {
  SeededRandom random(2);
  for (int i = 0; i < 20000; ++i) {
    const double x = std::ldexp(uniform(random, 0.5, 1), static_cast<int>(random.below(200)) - 100);
    const long double exact = std::log(static_cast<long double>(x));
    EXPECT_NEAR(natural_log(x), static_cast<double>(exact),
                4 * 0x1p-52 * std::fabs(static_cast<double>(exact)))
        << x;
  }
  EXPECT_EQ(natural_log(1), 0);
}

TEST(ScalarMath, PowerGivesFrequencies) {
  for (int i = 0; i < 64; ++i) {
    const double exponent = -i / 64.0;
    const double exact = std::pow(10000.0, exponent);
    EXPECT_NEAR(power(10000.0, exponent), exact, exact * 1e-14);
  }
  EXPECT_EQ(power(3, 0), 1);
}

TEST(ScalarMath, SineAndCosineAgreeWithLongDoubleToLargeAngles) {
  SeededRandom random(3);
  for (const double range : {1.0, 100.0, 163840.0, 0x1p30}) {
    for (int i = 0; i < 5000; ++i) {
      const double x = uniform(random, -range, range);
      const auto [s, c] = sin_cos(x);
      EXPECT_NEAR(s, static_cast<double>(std::sin(static_cast<long double>(x))), 4e-16) << x;
      EXPECT_NEAR(c, static_cast<double>(std::cos(static_cast<long double>(x))), 4e-16) << x;
    }
  }
  EXPECT_EQ(sin_cos(0).sin, 0);
  EXPECT_EQ(sin_cos(0).cos, 1);
}

}  // namespace
}  // namespace baton::kernels
