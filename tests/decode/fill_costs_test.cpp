#include "decode/fill_costs.h"

#include <gtest/gtest.h>

namespace baton::decode {
namespace {

TEST(FillCosts, FillingHereIsTakenForSlowUntilBothAreMeasured) {
  FillCosts costs;
  EXPECT_TRUE(costs.cheaper_here(100, 401));
  EXPECT_FALSE(costs.cheaper_here(100, 400));
  EXPECT_TRUE(costs.cheaper_here(0, 64));
  costs.filled(1000, 1s);
  EXPECT_FALSE(costs.cheaper_here(100, 400)) << "one alone says nothing";
}

TEST(FillCosts, MeasurementsDecideAndTheLatestWeighMost) {
  FillCosts costs;
  costs.filled(1000, 2s);
  costs.prefilled(1000, 1s);
  EXPECT_TRUE(costs.cheaper_here(100, 201));
  EXPECT_FALSE(costs.cheaper_here(100, 200));
  for (int i = 0; i < 30; ++i) costs.prefilled(1000, 4s);
  EXPECT_TRUE(costs.cheaper_here(190, 100));
}

TEST(FillCosts, FewEntriesAndNoTimeSayNothing) {
  FillCosts costs;
  costs.filled(FillCosts::kEntriesMin - 1, 100s);
  costs.filled(1000, Duration{});
  costs.prefilled(1000, 1s);
  EXPECT_TRUE(costs.cheaper_here(100, 401)) << "still as at first";
}

}  // namespace
}  // namespace baton::decode
