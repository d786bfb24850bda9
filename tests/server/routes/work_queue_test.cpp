#include "server/routes/work_queue.h"

#include <gtest/gtest.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <future>

namespace baton::server {
namespace {

TEST(WorkQueue, works_elsewhere_and_is_done_on_the_executor) {
  boost::asio::io_context context;
  auto guard = boost::asio::make_work_guard(context);
  WorkQueue queue(context.get_executor(), 1, 4);
  std::thread::id worked, done;
  ASSERT_TRUE(queue.run([&] { worked = std::this_thread::get_id(); },
                        [&] {
                          done = std::this_thread::get_id();
                          context.stop();
                        }));
  context.run();
  EXPECT_NE(worked, std::this_thread::get_id());
  EXPECT_EQ(done, std::this_thread::get_id());
}

TEST(WorkQueue, refuses_when_it_is_full_and_drops_the_rest_when_it_ends) {
  boost::asio::io_context context;
  std::promise<void> go, begun;
  int worked = 0;
  {
    WorkQueue queue(context.get_executor(), 1, 1);
    ASSERT_TRUE(queue.run(
        [&] {
          begun.set_value();
          go.get_future().wait();
          ++worked;
        },
        [] {}));
    begun.get_future().wait();
    EXPECT_TRUE(queue.run([] {}, [] {}));
    EXPECT_FALSE(queue.run([&] { ++worked; }, [] {}));
    go.set_value();
  }
  EXPECT_EQ(worked, 1);
}

}  // namespace
}  // namespace baton::server
