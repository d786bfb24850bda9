#include "base/io/driver.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <vector>

namespace baton {
namespace {

// Answers each number with itself; asks to be woken `waits` times, 1 ms later each time.
struct Echo {
  std::vector<int> step(const int& event, Instant now) {
    seen.push_back(event);
    if (event == 0) {
      ++ticks;
      deadline.reset();
    }
    if (ticks < waits) deadline = now + 1ms;
    return {event};
  }
  std::optional<Instant> next_deadline() const { return deadline; }

  int waits = 0;
  int ticks = 0;
  std::optional<Instant> deadline;
  std::vector<int> seen;
};

TEST(Driver, WhatAnActionFeedsBackWaitsItsTurn) {
  boost::asio::io_context io;
  const SystemClock clock;
  Echo echo;
  std::vector<int> done;
  Driver<Echo, int, int>* driver = nullptr;
  Driver<Echo, int, int> made(io.get_executor(), clock, echo, 0, [&](int& action) {
    if (action == 1) driver->feed(2);
    done.push_back(action);  // before the machine sees 2
  });
  driver = &made;
  driver->feed(1);
  EXPECT_EQ(echo.seen, (std::vector<int>{1, 2}));
  EXPECT_EQ(done, (std::vector<int>{1, 2}));
}

TEST(Driver, TicksAtEachDeadlineAndThenTheLoopCanEnd) {
  boost::asio::io_context io;
  const SystemClock clock;
  Echo echo{.waits = 3, .ticks = 0, .deadline = {}, .seen = {}};
  Driver<Echo, int, int> driver(io.get_executor(), clock, echo, 0, [](int&) {});
  driver.feed(1);
  io.run();
  EXPECT_EQ(echo.ticks, 3);
}

}  // namespace
}  // namespace baton
