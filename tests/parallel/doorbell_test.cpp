#include "parallel/doorbell.h"

#include <gtest/gtest.h>

#include <thread>

namespace baton::parallel {
namespace {

TEST(Doorbell, ARingBeforeTheSleepIsHeard) {
  auto bell = Doorbell::create().value();
  auto rank = Doorbell::open(bell.name()).value();
  bell.ring();
  bell.ring();
  rank.wait();
  rank.wait();  // one for each ring
}

TEST(Doorbell, ASleeperWakesForEachRing) {
  auto bell = Doorbell::create().value();
  std::atomic<int> heard = 0;
  std::thread sleeper([&] {
    auto rank = Doorbell::open(bell.name()).value();
    for (int i = 0; i < 100; ++i) {
      rank.wait();
      ++heard;
    }
  });
  for (int i = 0; i < 100; ++i) bell.ring();
  sleeper.join();
  EXPECT_EQ(heard, 100);
}

TEST(Doorbell, OnlyWhatIsADoorbellIsOpened) {
  EXPECT_FALSE(Doorbell::open("nowhere"));
  EXPECT_FALSE(Doorbell::open("/proc/1/fd/0"));
}

}  // namespace
}  // namespace baton::parallel
