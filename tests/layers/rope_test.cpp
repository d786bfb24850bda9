#include "model/layers/rope.h"

#include <gtest/gtest.h>

#include <cmath>

namespace baton::layers {
namespace {

checkpoint::ModelConfig config_of(size_t dim) {
  checkpoint::ModelConfig config;
  config.qk_rope_head_dim = dim;
  return config;
}

TEST(Rope, FrequenciesFallGeometrically) {
  const Rope rope(config_of(16));
  ASSERT_EQ(rope.pairs(), 8u);
  for (size_t i = 0; i < 8; ++i) {
    const double exact = std::pow(10000.0, -2.0 * static_cast<double>(i) / 16);
    EXPECT_NEAR(rope.inverse_frequencies()[i], exact, exact * 1e-14);
  }
}

TEST(Rope, AnglesAreAccurateFarIntoALongContext) {
  const Rope rope(config_of(64));
  std::vector<float> cos(32);
  std::vector<float> sin(32);
  for (const Position position : {0u, 1u, 4095u, 163839u, 1u << 27}) {
    rope.angles(position, cos, sin);
    for (size_t i = 0; i < 32; ++i) {
      const long double angle = position * static_cast<long double>(rope.inverse_frequencies()[i]);
      // Half a unit of float32, and the product's rounding: position * 2^-53.
      const double tolerance = 0x1p-25 + position * 0x1p-53 + 1e-15;
      EXPECT_NEAR(cos[i], static_cast<double>(std::cos(angle)), tolerance);
      EXPECT_NEAR(sin[i], static_cast<double>(std::sin(angle)), tolerance);
    }
  }
}

TEST(Rope, YarnSlowsTheSlowPairsAndKeepsTheFast) {
  auto config = config_of(64);
  const Rope plain(config);
  config.yarn = checkpoint::Yarn{.factor = 40, .original_max_position_embeddings = 4096};
  const Rope yarn(config);
  EXPECT_EQ(yarn.inverse_frequencies().front(), plain.inverse_frequencies().front());
  EXPECT_NEAR(yarn.inverse_frequencies().back(), plain.inverse_frequencies().back() / 40, 1e-18);
  std::vector<float> cos(32);
  std::vector<float> sin(32);
  yarn.angles(0, cos, sin);  // mscale 1, mscale_all_dim 0: the magnitude shows
  EXPECT_NEAR(cos[0], 0.1 * std::log(40.0) + 1, 1e-6);
}

TEST(Rope, EqualMscalesLeaveTheMagnitude) {
  auto config = config_of(8);
  config.yarn = checkpoint::Yarn{.factor = 40, .mscale = 0.707, .mscale_all_dim = 0.707};
  std::vector<float> cos(4);
  std::vector<float> sin(4);
  Rope(config).angles(0, cos, sin);
  EXPECT_EQ(cos[0], 1);
  EXPECT_EQ(sin[0], 0);
}

TEST(Rope, RotatesNeighbouringPairs) {
  std::vector<float> x = {1, 0, 0, 2};
  rotate(std::vector<float>{0, 0.5f}, std::vector<float>{1, 0.25f}, x.data());
  EXPECT_EQ(x, (std::vector<float>{0, 1, -0.5f, 1}));
}

}  // namespace
}  // namespace baton::layers
