#include "base/io/queue.h"

#include <gtest/gtest.h>

#include <thread>

namespace baton {
namespace {

TEST(BoundedQueue, KeepsOrderAndRefusesWhenFull) {
  BoundedQueue<int> queue(2);
  EXPECT_TRUE(queue.push(1));
  EXPECT_TRUE(queue.push(2));
  EXPECT_FALSE(queue.push(3));
  EXPECT_EQ(queue.pop(), 1);
  EXPECT_EQ(queue.pop(), 2);
}

TEST(BoundedQueue, GivesWhatIsLeftAfterCloseThenNothing) {
  BoundedQueue<int> queue(4);
  EXPECT_TRUE(queue.push(1));
  queue.close();
  EXPECT_FALSE(queue.push(2));
  EXPECT_EQ(queue.pop(), 1);
  EXPECT_EQ(queue.pop(), std::nullopt);
}

TEST(BoundedQueue, AReaderSleepsUntilSomethingComes) {
  BoundedQueue<int> queue(1000);
  long sum = 0;
  std::thread reader([&] {
    while (const auto item = queue.pop()) sum += *item;
  });
  for (int i = 1; i <= 1000; ++i) {
    while (!queue.push(i)) std::this_thread::yield();
  }
  queue.close();
  reader.join();
  EXPECT_EQ(sum, 500'500);
}

}  // namespace
}  // namespace baton
