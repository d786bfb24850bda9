#include "base/system/thread_pool.h"

#include <gtest/gtest.h>

#include <numeric>

#include "base/hash/counter_rng.h"

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

// Nobody waits for a thread that has not come, only for indices that were taken.
TEST(ThreadPool, LoopsOfDifferentWorkFollowOneAnother) {
  ThreadPool pool(4);
  SeededRandom random(1);
  for (int loop = 0; loop < 2000; ++loop) {
    const size_t count = random.below(9);
    std::vector<uint64_t> results(count);
    pool.run(count, [&](size_t i, unsigned) {
      uint64_t x = i + 1;
      for (uint64_t k = 0; k < (i * 977 + static_cast<uint64_t>(loop)) % 500; ++k) x = x * 31 + k;
      results[i] = x == 0 ? 1 : x;
    });
    for (const uint64_t result : results) ASSERT_NE(result, 0u);
  }
}

TEST(ThreadPool, MoreIndicesThanATicketHolds) {
  ThreadPool pool(2);
  std::atomic<uint64_t> sum = 0;
  constexpr size_t kCount = (size_t{1} << 20) + 12345;
  pool.run(kCount, [&](size_t i, unsigned) { sum.fetch_add(i, std::memory_order_relaxed); });
  EXPECT_EQ(sum.load(), uint64_t{kCount} * (kCount - 1) / 2);
}

// Workers that sleep are woken, and a pool that never ran ends.
TEST(ThreadPool, SleepersAreWoken) {
  ThreadPool unused(3);
  ThreadPool pool(2);
  for (int loop = 0; loop < 20; ++loop) {
    std::atomic<int> calls = 0;
    for (int i = 0; i < 2000; ++i) std::this_thread::yield();  // long enough to fall asleep, mostly
    pool.run(8, [&](size_t, unsigned) { ++calls; });
    EXPECT_EQ(calls.load(), 8);
  }
}

}  // namespace
}  // namespace baton
