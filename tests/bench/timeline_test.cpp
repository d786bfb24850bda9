// The model of the timelines that bench_parallel holds measured waits to.
#include "bench/parallel/tools/timeline.h"

#include <gtest/gtest.h>

#include "parallel/exchange/local_port.h"

namespace baton::bench {
namespace {

constexpr parallel::Tag kHeader = 0, kRows = 16;

Event sends(uint32_t to, parallel::Tag tag, uint32_t number, Duration compute) {
  return {.sends = true, .peer = to, .tag = tag, .number = number, .compute = compute};
}
Event waits(uint32_t from, parallel::Tag tag, uint32_t number, Duration compute) {
  return {.peer = from, .tag = tag, .number = number, .compute = compute};
}

// Two ranks that exchange rows after 2 ms of work each, and have `between` to do meanwhile.
std::vector<Timeline> exchange(Duration between) {
  std::vector<Timeline> ranks(2);
  for (uint32_t rank = 0; rank < 2; ++rank) {
    ranks[rank] = {sends(1 - rank, kRows, 0, 2ms), waits(1 - rank, kRows, 0, between)};
  }
  return ranks;
}

TEST(Replay, WaitsForTheDelayThatNoWorkHides) {
  const auto exposed = replay(exchange(0ms), 3ms);
  EXPECT_EQ(exposed[0][1].waited, 3ms);
  EXPECT_EQ(exposed[0][1].end, Instant(5ms));
  const auto half = replay(exchange(1ms), 3ms);
  EXPECT_EQ(half[1][1].waited, 2ms);
  const auto hidden = replay(exchange(4ms), 3ms);
  EXPECT_EQ(hidden[1][1].waited, 0ms);
  EXPECT_EQ(hidden[1][1].end, Instant(6ms));
}

TEST(Replay, ALateRankIsWaitedForAndItsLatenessGoesOn) {
  // Rank 1 has more to do; rank 0 waits for it, and what it sends then is late too.
  std::vector<Timeline> ranks(2);
  ranks[0] = {waits(1, kRows, 0, 1ms), sends(1, kRows, 0, 1ms)};
  ranks[1] = {sends(0, kRows, 0, 10ms), waits(0, kRows, 0, 0ms)};
  ranks[0][0].inside = 1ms;  // takes a millisecond to copy
  const auto played = replay(ranks, 5ms);
  EXPECT_EQ(played[0][0].waited, 14ms);
  EXPECT_EQ(played[0][1].end, Instant(17ms));
  EXPECT_EQ(played[1][1].waited, 12ms);
  EXPECT_EQ(played[1][1].end, Instant(22ms));
}

TEST(ReplayDeathTest, AWaitWithoutAMessageIsADefect) {
  std::vector<Timeline> ranks(2);
  ranks[0] = {waits(1, kRows, 0, 1ms)};
  EXPECT_DEATH(replay(ranks, 1ms), "has its message");
}

TEST(RecordingPort, TellsWhatWasDoneBetweenMessages) {
  ManualClock clock;
  parallel::LocalHub hub(2);
  std::vector<Timeline> timelines(2);
  const auto ours = recording_port(hub.port(0), clock, timelines[0]);
  const auto theirs = recording_port(hub.port(1), clock, timelines[1]);
  std::byte byte{7};
  for (int i = 0; i < 2; ++i) {
    clock.advance(2ms);
    const auto sent = ours->send(1, kRows, std::span(&byte, 1));
    const auto awaited = theirs->receive(0, kRows, std::span(&byte, 1));
    clock.advance(3ms);
    theirs->wait(awaited);
    ours->wait(sent);
  }
  ASSERT_EQ(timelines[0].size(), 2u) << "the end of a send is no event";
  EXPECT_TRUE(timelines[0][1].sends);
  EXPECT_EQ(timelines[0][1].peer, 1u);
  EXPECT_EQ(timelines[0][1].number, 1u);
  EXPECT_EQ(timelines[0][1].compute, 5ms);
  ASSERT_EQ(timelines[1].size(), 2u);
  EXPECT_FALSE(timelines[1][1].sends);
  EXPECT_EQ(timelines[1][1].number, 1u);
  EXPECT_EQ(timelines[1][1].compute, 5ms);
  EXPECT_EQ(timelines[1][1].waited, 0ms);
}

TEST(StepTimes, AreMediansOfTheLastSteps) {
  // Steps of 1, 2, 9 and 3 ms, of which all but 1 ms is waited for; the last three count.
  Timeline timeline;
  Instant now{};
  uint32_t number = 0;
  for (const Duration wait : {0ms, 1ms, 8ms, 2ms}) {
    for (const bool second : {false, true}) {  // a header is two messages
      timeline.push_back(sends(1, kHeader, 2 * number + (second ? 1 : 0), 0ms));
      timeline.back().end = now;
    }
    now += 1ms + wait;
    timeline.push_back(waits(1, kRows, number++, 1ms));
    timeline.back().waited = wait;
    timeline.back().end = now;
  }
  timeline.push_back(sends(1, kHeader, 100, 0ms));
  timeline.back().end = now;
  StepTimes times;
  add_steps(std::span(&timeline, 1), kRows, 3, times);
  EXPECT_DOUBLE_EQ(times.step(), 3);
  EXPECT_DOUBLE_EQ(times.waited(), 2);
  EXPECT_DOUBLE_EQ(times.messages(), 1);
}

}  // namespace
}  // namespace baton::bench
