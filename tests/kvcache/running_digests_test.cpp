#include "kvcache/running_digests.h"

#include <gtest/gtest.h>

#include <utility>

namespace baton::kvcache {
namespace {

class RunningDigestsTest : public ::testing::Test {
 protected:
  RunningDigestsTest() {
    for (uint32_t page = 0; page < memory_.pages(); ++page) {
      auto bytes = memory_.page(PageId{page});
      for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = std::byte(i * 7 + page * 31);
    }
  }

  void add(RunningDigests& to, JobId job, uint32_t page, uint32_t layer, uint32_t tokens = 64) {
    to.add(job, PageId{page}, layer,
           std::as_const(memory_).block(PageId{page}, layer).first(tokens * size_t{8}));
  }
  Digest finished(RunningDigests& from, JobId job, uint32_t page, uint32_t tokens = 64) {
    return finish(from.take(job, PageId{page}), memory_, PageId{page}, tokens);
  }
  Digest whole(uint32_t page, uint32_t tokens = 64) {
    return page_digest(memory_, PageId{page}, tokens);
  }

  PoolMemory memory_ = *PoolMemory::create_private({4, 8}, 4);
  const JobId job_{1};
};

TEST_F(RunningDigestsTest, AgreesWithTheWholeWhereverItStopped) {
  for (uint32_t layers = 0; layers <= 4; ++layers) {
    RunningDigests running;
    for (uint32_t layer = 0; layer < layers; ++layer) {
      add(running, job_, 0, layer);
      add(running, job_, 2, layer, 5);
    }
    EXPECT_EQ(finished(running, job_, 0), whole(0)) << layers;
    EXPECT_EQ(finished(running, job_, 2, 5), whole(2, 5)) << layers;
    EXPECT_EQ(running.pages(), 0u);
  }
}

TEST_F(RunningDigestsTest, WhatIsOutOfTurnIsLeftToTheEnd) {
  RunningDigests running;
  for (const uint32_t layer : {0, 2, 3, 0, 1, 3, 1}) add(running, job_, 1, layer);
  const auto begun = running.take(job_, PageId{1});
  ASSERT_TRUE(begun);
  EXPECT_EQ(begun->layers, 2u);
  add(running, job_, 1, 2);  // taken: not begun any more
  EXPECT_FALSE(running.take(job_, PageId{1}));
  EXPECT_EQ(finished(running, job_, 1), whole(1));
}

TEST_F(RunningDigestsTest, ReadsNoMoreOfWhatItHas) {
  RunningDigests running;
  const Digest before = whole(3);
  for (uint32_t layer = 0; layer < 3; ++layer) add(running, job_, 3, layer);
  memory_.entry(PageId{3}, 0, 0)[0] ^= std::byte{1};
  EXPECT_EQ(finished(running, job_, 3), before);
}

TEST_F(RunningDigestsTest, APageBelongsToTheJobThatBeganItLast) {
  RunningDigests running;
  add(running, job_, 0, 0);
  add(running, JobId{2}, 0, 0);
  add(running, job_, 0, 1);
  EXPECT_FALSE(running.take(job_, PageId{0}));
  const auto begun = running.take(JobId{2}, PageId{0});
  ASSERT_TRUE(begun);
  EXPECT_EQ(begun->layers, 1u);
}

TEST_F(RunningDigestsTest, ABlockMayComeInPiecesAndABadOneTakesItsPageAlong) {
  RunningDigests running;
  for (uint32_t layer = 0; layer < 3; ++layer) {
    DigestStream* const stream = running.turn_of(job_, PageId{1}, layer);
    ASSERT_TRUE(stream);
    const auto block = std::as_const(memory_).block(PageId{1}, layer);
    stream->update(block.first(100));
    stream->update(block.subspan(100));
    running.end_turn(PageId{1}, true);
  }
  EXPECT_FALSE(running.turn_of(job_, PageId{1}, 1));
  EXPECT_FALSE(running.turn_of(JobId{2}, PageId{1}, 3));
  EXPECT_EQ(finished(running, job_, 1), whole(1));
  add(running, job_, 1, 0);
  ASSERT_TRUE(running.turn_of(job_, PageId{1}, 1));
  running.end_turn(PageId{1}, false);
  EXPECT_FALSE(running.take(job_, PageId{1}));
}

TEST_F(RunningDigestsTest, BeyondItsLimitTheOldestGoes) {
  RunningDigests running(2);
  for (uint32_t page = 0; page < 3; ++page) add(running, job_, page, 0);
  EXPECT_EQ(running.pages(), 2u);
  EXPECT_FALSE(running.take(job_, PageId{0}));
  EXPECT_TRUE(running.take(job_, PageId{1}));
  RunningDigests none(0);
  add(none, job_, 0, 0);
  EXPECT_EQ(none.pages(), 0u);
}

}  // namespace
}  // namespace baton::kvcache
