#include "prefill/chunk_plan.h"

#include <gtest/gtest.h>

namespace baton::prefill {
namespace {

Job job(uint64_t id, uint32_t entries, uint32_t computed = 0) {
  Job job;
  job.order.job = JobId{id};
  job.order.prompt.resize(entries + 1);
  job.arrival = id;
  job.computed = computed;
  job.phase = JobPhase::computing;
  return job;
}

TEST(ChunkPlan, JobsShareAStepInTheOrderInWhichTheyAreGiven) {
  const Job a = job(1, 10), b = job(2, 10), c = job(3, 10);
  const auto plan = plan_chunks({&c, &a, &b}, 25, 8, 1);
  EXPECT_EQ(plan, (std::vector<Chunk>{{JobId{3}, 0, 10}, {JobId{1}, 0, 10}, {JobId{2}, 0, 5}}));
}

TEST(ChunkPlan, ALongPromptIsCutAndGoesOnWhereItStopped) {
  const Job long_job = job(1, 100, 64);
  EXPECT_EQ(plan_chunks({&long_job}, 32, 8, 1), (std::vector<Chunk>{{JobId{1}, 64, 32}}));
  const Job rest = job(1, 100, 96);
  EXPECT_EQ(plan_chunks({&rest}, 32, 8, 1), (std::vector<Chunk>{{JobId{1}, 96, 4}}));
}

TEST(ChunkPlan, OnlyJobsThatComputeAndHaveNotEndedAreInIt) {
  Job queued = job(1, 10), ended = job(2, 10);
  queued.phase = JobPhase::queued;
  ended.ended = true;
  EXPECT_TRUE(plan_chunks({&queued, &ended}, 32, 8, 1).empty());
}

TEST(ChunkPlan, AStepHasNoMoreJobsThanItsLimit) {
  const Job a = job(1, 1), b = job(2, 1), c = job(3, 1);
  EXPECT_EQ(plan_chunks({&a, &b, &c}, 32, 2, 1).size(), 2u);
  EXPECT_TRUE(plan_chunks({}, 32, 2, 1).empty());
}

TEST(ChunkPlan, EachGroupHasRoomOfItsOwn) {
  Job a = job(1, 40), b = job(2, 40), c = job(3, 40);
  b.group = 1;
  const auto plan = plan_chunks({&a, &b, &c}, 50, 8, 2);
  EXPECT_EQ(plan, (std::vector<Chunk>{{JobId{1}, 0, 40}, {JobId{2}, 0, 40}, {JobId{3}, 0, 10}}));
}

}  // namespace
}  // namespace baton::prefill
