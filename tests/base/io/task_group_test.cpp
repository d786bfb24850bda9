#include "base/io/task_group.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

namespace baton {
namespace {

Task<> count_up(int& count) {
  ++count;
  co_return;
}

Task<> wait_forever(bool& cancelled) {
  try {
    co_await pause_for(std::chrono::hours(1));
  } catch (const boost::system::system_error&) {
    cancelled = true;
    throw;
  }
}

Task<> join_then_mark(TaskGroup& group, bool& joined) {
  co_await group.join();
  joined = true;
}

TEST(TaskGroup, JoinReturnsWhenTheLastTaskHasEnded) {
  boost::asio::io_context io;
  TaskGroup group(io.get_executor());
  TaskGroup outer(io.get_executor());
  int count = 0;
  bool joined = false;
  for (int i = 0; i < 3; ++i) group.spawn(count_up(count));
  outer.spawn(join_then_mark(group, joined));
  io.run();
  EXPECT_EQ(count, 3);
  EXPECT_TRUE(joined);
  EXPECT_EQ(group.size(), 0u);
}

TEST(TaskGroup, CancelEndsWaitingTasksAndThoseSpawnedLater) {
  boost::asio::io_context io;
  TaskGroup group(io.get_executor());
  bool first = false;
  bool second = false;
  group.spawn(wait_forever(first));
  io.poll();
  group.cancel();
  group.spawn(wait_forever(second));
  io.restart();
  io.run();
  EXPECT_TRUE(first);
  EXPECT_EQ(group.size(), 0u);
}

Task<> throw_defect() {
  throw std::runtime_error("a defect");
  co_return;
}

TEST(TaskGroupDeathTest, AnExceptionThatLeavesATaskIsADefect) {
  EXPECT_DEATH(
      {
        boost::asio::io_context io;
        TaskGroup group(io.get_executor());
        group.spawn(throw_defect());
        io.run();
      },
      "a task ended with an exception: a defect");
}

}  // namespace
}  // namespace baton
