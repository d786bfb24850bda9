#include "parallel/balance/load_average.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/hash/counter_rng.h"

namespace baton::parallel {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

using Counts = std::vector<uint32_t>;

TEST(LoadAverage, IsTheMeanFromTheFirstReportOn) {
  LoadAverage average(2, 3, 100);
  EXPECT_THAT(average.loads(0), Each(0.0f));
  average.add(1, Counts{4, 0, 8});
  EXPECT_THAT(average.loads(1), ElementsAre(4, 0, 8));
  EXPECT_THAT(average.loads(0), ElementsAre(0, 0, 0)) << "layers are apart";
  for (int step = 0; step < 50; ++step) average.add(1, Counts{4, 0, 8});
  EXPECT_NEAR(average.loads(1)[2], 8, 1e-5) << "what does not change stays";
  EXPECT_EQ(average.reports(1), 51u);
  EXPECT_EQ(average.reports(0), 0u);
}

TEST(LoadAverage, ForgetsByTheWindow) {
  LoadAverage average(1, 2, 50);
  for (int step = 0; step < 1000; ++step) average.add(0, Counts{100, 0});
  for (int step = 0; step < 50; ++step) average.add(0, Counts{0, 100});
  EXPECT_NEAR(average.loads(0)[0], 100 * std::exp(-1.0), 1.0);
  EXPECT_NEAR(average.loads(0)[0] + average.loads(0)[1], 100, 1e-3);

  LoadAverage last(1, 2, 1);
  last.add(0, Counts{100, 0});
  last.add(0, Counts{3, 4});
  EXPECT_THAT(last.loads(0), ElementsAre(3, 4));
}

TEST(LoadAverage, IdleReportsForgetNothing) {
  LoadAverage average(1, 2, 2);
  average.add(0, Counts{6, 2});
  for (int step = 0; step < 100; ++step) average.add(0, Counts{0, 0});
  EXPECT_THAT(average.loads(0), ElementsAre(6, 2));
  EXPECT_EQ(average.reports(0), 1u);
}

TEST(LoadAverage, TheSameCountsGiveTheSameBits) {
  SeededRandom random(3);
  LoadAverage a(1, 16, 30), b(1, 16, 30);
  for (int step = 0; step < 200; ++step) {
    Counts counts(16);
    for (uint32_t& count : counts) count = static_cast<uint32_t>(random.below(5000));
    a.add(0, counts);
    b.add(0, counts);
  }
  EXPECT_TRUE(std::ranges::equal(a.loads(0), b.loads(0)));
}

TEST(Imbalance, IsTheLargestOverTheMean) {
  EXPECT_EQ(imbalance(std::vector<double>{2, 2, 2}), 1);
  EXPECT_EQ(imbalance(std::vector<double>{6, 0, 0}), 3);
  EXPECT_EQ(imbalance(std::vector<double>{0, 0}), 1) << "without load there is none";

  // Expert 0 has two replicas, on both ranks: each takes half of its load.
  const ExpertPlacement placement({0, 1, 0, 2}, 3, 2);
  const std::vector<float> loads = {10, 3, 1};
  std::vector<double> ranks(2);
  loads_of_ranks(placement, loads, ranks);
  EXPECT_THAT(ranks, ElementsAre(8, 6));
  EXPECT_DOUBLE_EQ(imbalance(placement, loads), 8.0 / 7.0);
}

// What all of this is for: a skewed load, measured online, is nearly level after rebalancing.
TEST(Imbalance, RebalancingLevelsWhatWasMeasured) {
  const PlacementShape shape{.experts = 256, .groups = 8, .slots = 288, .hosts = 4, .ranks = 32};
  SeededRandom random(11);
  LoadAverage average(1, shape.experts, 20);
  std::vector<uint32_t> popularity(shape.experts);
  for (uint32_t& p : popularity) p = random.chance(0.1) ? 400 : 20 + random.below(60);
  for (int step = 0; step < 100; ++step) {
    Counts counts(shape.experts);
    for (uint32_t e = 0; e < shape.experts; ++e) {
      counts[e] = static_cast<uint32_t>(random.below(2 * popularity[e] + 1));
    }
    average.add(0, counts);
  }
  const double before = imbalance(first_placement(shape), average.loads(0));
  const double after = imbalance(rebalance(average.loads(0), shape), average.loads(0));
  EXPECT_GT(before, 1.3);
  EXPECT_LT(after, 1.15);
}

}  // namespace
}  // namespace baton::parallel
