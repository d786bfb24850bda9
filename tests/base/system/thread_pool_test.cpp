#include "base/system/thread_pool.h"

#include <gtest/gtest.h>

#include <numeric>

namespace baton {
namespace {

TEST(ThreadPool, EveryIndexIsProcessedExactlyOnce) {
  for (const unsigned threads : {1u, 2u, 3u, 5u}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.size(), threads);
    for (const size_t count : {0, 1, 2, 7, 1000}) {
      std::vector<std::atomic<int>> seen(count);
      std::atomic<bool> thread_in_range = true;
      pool.run(count, [&](size_t i, unsigned thread) {
        seen[i].fetch_add(1);
        if (thread >= threads) thread_in_range = false;
      });
      for (const auto& times : seen) EXPECT_EQ(times.load(), 1);
      EXPECT_TRUE(thread_in_range);
    }
  }
}

TEST(ThreadPool, ManyShortLoopsInARow) {
  ThreadPool pool(3);
  std::atomic<long> sum = 0;
  for (int loop = 0; loop < 5000; ++loop) pool.run(4, [&](size_t i, unsigned) { sum += long(i); });
  EXPECT_EQ(sum.load(), 5000 * 6);
}

}  // namespace
}  // namespace baton
