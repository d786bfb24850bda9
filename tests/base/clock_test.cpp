#include "base/clock.h"

#include <gtest/gtest.h>

namespace baton {
namespace {

TEST(Clock, TheSystemsTimeNeverGoesBack) {
  const SystemClock clock;
  const Instant first = clock.now();
  EXPECT_LE(first, clock.now());
  EXPECT_GT(clock.unix_seconds(), 1'600'000'000);
}

TEST(Clock, AManualClockMovesByHandOnly) {
  ManualClock clock;
  const Instant start = clock.now();
  EXPECT_EQ(clock.now(), start);
  clock.advance(3s);
  EXPECT_EQ(to_ms(clock.now() - start), 3000);
  EXPECT_DOUBLE_EQ(to_seconds(clock.now() - start), 3.0);
  clock.set(start);
  EXPECT_EQ(clock.now(), start);
}

}  // namespace
}  // namespace baton
