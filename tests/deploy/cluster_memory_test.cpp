#include "deploy/cluster_memory.h"

#include <gmock/gmock.h>

#include <limits>

#include "model/checkpoint/checkpoint.h"
#include "tests/support/source_dir.h"

namespace baton::deploy {
namespace {

using ::testing::HasSubstr;

class ClusterMemoryTest : public ::testing::Test {
 protected:
  ClusterMemory of(const UpOptions& options) const {
    const std::vector<parallel::Layout> layouts = {*parallel::parse_layout(options.prefill),
                                                   *parallel::parse_layout(options.decode)};
    return cluster_memory(options, summary_, layouts);
  }
  const checkpoint::Summary summary_ = checkpoint::summarize(
      checkpoint::Checkpoint::open(testing::source_dir() / "model/demo").value());
};

TEST_F(ClusterMemoryTest, CountsWeightsOncePoolsByInstanceAndProcessesByRank) {
  UpOptions options;
  const ClusterMemory one = of(options);
  EXPECT_EQ(one.instances, 2u);
  EXPECT_EQ(one.ranks, 2u);
  options.decode = "tp=2,dp=4,instances=3";
  const ClusterMemory many = of(options);
  EXPECT_EQ(many.weights, one.weights);
  EXPECT_EQ(many.instances, 4u);
  EXPECT_EQ(many.ranks, 25u);
  EXPECT_GT(many.processes, 10 * one.processes);
}

TEST_F(ClusterMemoryTest, WeightsAreThoseOfTheModeAndBuffersThoseOfTheRows) {
  UpOptions options;
  const ClusterMemory exact = of(options);
  options.mode = "fast";
  const ClusterMemory fast = of(options);
  EXPECT_LT(fast.weights, exact.weights * 6 / 10) << "a byte, not two";
  options.mode = "fast-e4";
  EXPECT_LT(of(options).weights, fast.weights);
  options.max_num_batched_tokens = 8192;
  EXPECT_GT(of(options).processes, exact.processes);
}

TEST_F(ClusterMemoryTest, CountsTheKvstoreWhereThereIsOne) {
  UpOptions options;
  options.kvstore_memory = 1000;
  EXPECT_EQ(of(options).kvstores, 1000u);
  options.kvstores = 3;
  EXPECT_EQ(of(options).kvstores, 3000u);
  options.single_process = true;
  EXPECT_EQ(of(options).kvstores, 0u);
}

TEST_F(ClusterMemoryTest, WhatDoesNotFitIsRefusedWithItsPartsAtTheByte) {
  UpOptions options;
  const ClusterMemory memory = of(options);
  const auto needed = static_cast<uint64_t>(memory.total());
  EXPECT_TRUE(check_fits(memory, needed));
  const auto refused = check_fits(memory, needed - 1);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("2 pools of 1.0"));
  options.kv_memory = std::numeric_limits<size_t>::max() / 2 + 1;  // twice that is 0 in 64 bits
  EXPECT_FALSE(check_fits(of(options), uint64_t{1} << 40));
}

}  // namespace
}  // namespace baton::deploy
