#include "prefill/store_costs.h"

#include <gtest/gtest.h>

namespace baton::prefill {
namespace {

constexpr Instant kNow{Duration(100s)};

TEST(StoreCosts, WhatIsNotMeasuredIsTried) {
  StoreCosts costs({});
  EXPECT_TRUE(costs.cheaper_to_read(5, kNow));
  EXPECT_EQ(costs.read_limit(5), 5s);
  costs.computed(100, 1ms);
  EXPECT_TRUE(costs.cheaper_to_read(5, kNow));
  EXPECT_EQ(costs.reading(5, kNow), std::nullopt);
}

TEST(StoreCosts, ComparesWhatBothHaveCost) {
  StoreCosts costs({});
  costs.computed(64, 8ms);
  costs.read(4, 16ms, kNow);
  EXPECT_EQ(costs.reading(3, kNow), 12ms);
  EXPECT_EQ(costs.computing(3), 24ms);
  EXPECT_TRUE(costs.cheaper_to_read(3, kNow));
  for (int i = 0; i < 20; ++i) costs.read(1, 20ms, kNow);
  EXPECT_FALSE(costs.cheaper_to_read(3, kNow));
  EXPECT_TRUE(costs.cheaper_to_read(3, kNow + 11s)) << "it may be faster now";
  costs.read(1, 1ms, kNow + 11s);
  EXPECT_EQ(costs.reading(1, kNow + 11s), 1ms) << "what was long ago counts no more";
}

TEST(StoreCosts, AStepOfFewTokensSaysLittleOfWhatATokenCosts) {
  StoreCosts costs({});
  for (int i = 0; i < 40; ++i) {
    costs.computed(1000, 100ms);
    costs.computed(1, 10ms);  // the weights are read for one token too
  }
  EXPECT_GT(costs.token_seconds(), 1.0e-4);
  EXPECT_LT(costs.token_seconds(), 1.2e-4);
}

TEST(StoreCosts, AReadWithoutAPageHasCostItsTime) {
  StoreCosts costs({});
  costs.computed(64, 1ms);
  costs.read(0, 250ms, kNow);
  EXPECT_FALSE(costs.cheaper_to_read(1, kNow));
}

TEST(StoreCosts, AReadMayTakeTwiceAsLongAsComputingWithinLimits) {
  StoreCosts costs({});
  costs.computed(64, 100ms);
  EXPECT_EQ(costs.read_limit(1), 250ms);
  EXPECT_EQ(costs.read_limit(5), 1s);
  EXPECT_EQ(costs.read_limit(1000), 5s);
}

}  // namespace
}  // namespace baton::prefill
