#include "server/relay/timeline.h"

#include <gtest/gtest.h>

namespace baton::server {
namespace {

TEST(Timeline, WhatNoPartExplainsWasSpentOnTheWay) {
  Timeline timeline;
  timeline.lost = 5ms;
  timeline.placing = 2ms;
  close_timeline(timeline, {1ms, 10ms, 2ms, 1ms, 4ms}, 30ms);
  EXPECT_EQ(timeline.travelled, 5ms);
  EXPECT_EQ(sum_of_parts(timeline), timeline.first_token);
}

TEST(Timeline, PartsThatSayMoreThanWasMeasuredAreCutFromTheLastBackwards) {
  Timeline timeline;
  timeline.placing = 2ms;
  close_timeline(timeline, {1ms, 10ms, 2ms, 1ms, 4ms}, 15ms);
  EXPECT_EQ(timeline.travelled, 0ms);
  EXPECT_EQ(timeline.decode.first_step, 0ms);
  EXPECT_EQ(timeline.decode.waited, 0ms);
  EXPECT_EQ(timeline.decode.exposed, 2ms);
  EXPECT_EQ(sum_of_parts(timeline), 15ms);
}

}  // namespace
}  // namespace baton::server
