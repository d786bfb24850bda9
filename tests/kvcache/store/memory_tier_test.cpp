#include "kvcache/store/memory_tier.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/kvcache/store/pages.h"
#include "tests/support/seeds.h"

namespace baton::kvcache {
namespace {

TEST(MemoryTier, KeepsWhatFitsAndLetsTheLeastWorthGo) {
  MemoryTier tier(2000);
  EXPECT_TRUE(tier.put(page_of(1, 900)));
  EXPECT_TRUE(tier.put(page_of(2, 900)));
  EXPECT_TRUE(tier.get(name_of(1)).has_value());
  EXPECT_TRUE(tier.put(page_of(3, 900)));
  EXPECT_TRUE(tier.holds(name_of(1))) << "it was used again";
  EXPECT_FALSE(tier.holds(name_of(2)));
  EXPECT_EQ(tier.bytes(), 1800u);
  EXPECT_EQ(tier.evicted(), 1u);
  EXPECT_FALSE(tier.put(page_of(4, 2001)));
  EXPECT_FALSE(tier.put(page_of(3, 900))) << "it is there";
  EXPECT_EQ(tier.pages(), 2u);
}

TEST(MemoryTier, AgreesWithAPlainCountThroughRandomUse) {
  for (uint64_t seed = 0; seed < testing::seeds(20); ++seed) {
    std::mt19937 random(static_cast<uint32_t>(seed));
    MemoryTier tier(8000);
    std::map<uint32_t, size_t> held;  // what could be there: put, and not erased
    for (int i = 0; i < 400; ++i) {
      const uint32_t n = random() % 40;
      switch (random() % 3) {
        case 0:
          if (const size_t size = 100 + random() % 1500; tier.put(page_of(n, size))) held[n] = size;
          break;
        case 1: {
          const auto page = tier.get(name_of(n));
          ASSERT_EQ(page.has_value(), tier.holds(name_of(n)));
          if (page) {
            ASSERT_TRUE(held.contains(n));
            ASSERT_EQ(page->bytes().size(), held[n]);
            ASSERT_TRUE(page->whole());
          }
          break;
        }
        default:
          if (random() % 4 == 0) {
            tier.erase(name_of(n));
            held.erase(n);
          }
      }
      size_t pages = 0, bytes = 0;
      for (const auto& [number, size] : held) {
        if (!tier.holds(name_of(number))) continue;
        ++pages;
        bytes += size;
      }
      ASSERT_EQ(pages, tier.pages());
      ASSERT_EQ(bytes, tier.bytes());
      ASSERT_EQ(broken_invariant(tier), std::nullopt);
    }
  }
}

}  // namespace
}  // namespace baton::kvcache
