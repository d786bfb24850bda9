#include "kvcache/prefix/eviction.h"

#include <gtest/gtest.h>

#include <map>

#include "base/hash/counter_rng.h"

namespace baton::kvcache {
namespace {

TEST(EvictionPolicy, LruAsksForTheTimeOnly) {
  const EvictionPolicy lru(Eviction::lru);
  EXPECT_LT(lru.worth({.last = 1, .hits = 9}), lru.worth({.last = 2, .depth = 9}));
}

TEST(EvictionPolicy, LfuAsksForTheHitsFirst) {
  const EvictionPolicy lfu(Eviction::lfu);
  EXPECT_LT(lfu.worth({.last = 9, .hits = 1}), lfu.worth({.last = 1, .hits = 2}));
  EXPECT_LT(lfu.worth({.last = 1, .hits = 1}), lfu.worth({.last = 2, .hits = 1}));
}

TEST(EvictionPolicy, CreditIsLruUntilItHasSeenHowSoonPagesAreUsedAgain) {
  EvictionPolicy policy(Eviction::credit);
  EXPECT_LT(policy.worth({.last = 1, .hits = 200}), policy.worth({.last = 2, .depth = 99}));
  for (int i = 0; i < 20'000; ++i) policy.reused(1000);
  EXPECT_NEAR(static_cast<double>(policy.mean_reuse()), 1000, 2);
  // One use more is worth 1.5 mean reuse times, twice the depth costs a tenth of that.
  EXPECT_LT(policy.worth({.last = 1400}), policy.worth({.last = 1, .hits = 1}));
  EXPECT_GT(policy.worth({.last = 1600}), policy.worth({.last = 1, .hits = 1}));
  EXPECT_GT(policy.worth({.last = 1}), policy.worth({.last = 100, .depth = 1}));
  EXPECT_LT(policy.worth({.last = 1}), policy.worth({.last = 200, .depth = 1}));
}

TEST(EvictionPolicy, NothingStaysForEver) {
  EvictionPolicy policy(Eviction::credit);
  for (int i = 0; i < 20'000; ++i) policy.reused(1000);
  EXPECT_LT(policy.worth({.last = 1, .hits = 255}), policy.worth({.last = 20'000}));
}

TEST(VictimHeap, AgreesWithASearch) {
  for (uint64_t seed = 0; seed < 30; ++seed) {
    SeededRandom random(seed);
    const auto pages = static_cast<uint32_t>(1 + random.below(60));
    VictimHeap heap(pages);
    std::map<uint32_t, Worth> model;
    for (uint64_t step = 0; step < 1000; ++step) {
      const auto page = static_cast<uint32_t>(random.below(pages));
      if (heap.contains(page)) {
        heap.remove(page);
        model.erase(page);
      } else {
        const Worth worth{static_cast<int64_t>(random.below(20)) - 10, step};
        heap.rate(page, worth);
        heap.push(page);
        model[page] = worth;
      }
      ASSERT_EQ(heap.size(), model.size());
      const auto least = std::min_element(model.begin(), model.end(),
                                          [](auto& a, auto& b) { return a.second < b.second; });
      ASSERT_EQ(heap.least(), model.empty() ? std::nullopt : std::optional(least->first));
    }
  }
}

TEST(VictimHeapDeath, StopsAtBrokenUse) {
  VictimHeap heap(2);
  heap.push(1);
  EXPECT_DEATH(heap.push(1), "twice");
  EXPECT_DEATH(heap.rate(1, {}), "rated anew");
}

}  // namespace
}  // namespace baton::kvcache
