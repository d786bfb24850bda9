#include "kvcache/pool_memory.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace baton::kvcache {
namespace {

constexpr PageFormat kFormat{3, 24};

TEST(PageFormat, HoldsSixtyFourTokensInABlockAndAllLayersInAPage) {
  EXPECT_EQ(kFormat.block_bytes(), 64u * 24);
  EXPECT_EQ(kFormat.page_bytes(), 3u * 64 * 24);
}

TEST(TokensInPage, OnlyTheLastPageIsPartial) {
  EXPECT_EQ(tokens_in_page(130, 0), 64u);
  EXPECT_EQ(tokens_in_page(130, 1), 64u);
  EXPECT_EQ(tokens_in_page(130, 2), 2u);
  EXPECT_EQ(tokens_in_page(130, 3), 0u);
  EXPECT_EQ(tokens_in_page(128, 1), 64u);
  EXPECT_EQ(tokens_in_page(0, 0), 0u);
  EXPECT_EQ(tokens_in_page(0xffffffffu, 0xffffffffu), 0u);
}

TEST(PoolMemory, BlocksTileThePoolWithoutOverlap) {
  auto memory = PoolMemory::create_private(kFormat, 5);
  ASSERT_TRUE(memory);
  const std::byte* expected = memory->bytes().data();
  for (uint32_t page = 0; page < 5; ++page) {
    for (uint32_t layer = 0; layer < 3; ++layer) {
      const auto block = memory->block(PageId{page}, layer);
      EXPECT_EQ(block.data(), expected);
      EXPECT_EQ(memory->offset_of(PageId{page}, layer), block.data() - memory->bytes().data());
      EXPECT_EQ(memory->entry(PageId{page}, layer, 63), expected + 63 * 24);
      expected += block.size();
    }
  }
  EXPECT_EQ(expected, memory->bytes().data() + memory->bytes().size());
}

TEST(PoolMemory, APageIsItsBlocksInOnePiece) {
  auto pool = *PoolMemory::create_private({3, 8}, 2);
  const auto page = pool.page(PageId{1});
  EXPECT_EQ(page.size(), pool.format().page_bytes());
  for (uint32_t layer = 0; layer < 3; ++layer)
    EXPECT_EQ(pool.block(PageId{1}, layer).data(), page.data() + layer * 64 * 8);
  EXPECT_EQ(std::as_const(pool).page(PageId{1}).data(), page.data());
}

TEST(PoolMemory, CopiesTheFirstTokensOfEachLayer) {
  auto memory = PoolMemory::create_private(kFormat, 2);
  for (uint32_t layer = 0; layer < 3; ++layer)
    std::ranges::fill(memory->block(PageId{0}, layer), std::byte(layer + 1));
  copy_page(*memory, PageId{0}, PageId{1}, 5);
  for (uint32_t layer = 0; layer < 3; ++layer) {
    EXPECT_EQ(memory->entry(PageId{1}, layer, 4)[23], std::byte(layer + 1));
    EXPECT_EQ(memory->entry(PageId{1}, layer, 5)[0], std::byte(0));
  }
}

TEST(PoolMemoryDeath, StopsAtABlockOutsideThePool) {
  auto memory = PoolMemory::create_private(kFormat, 2);
  EXPECT_DEATH(memory->block(PageId{2}, 0), "outside the pool");
  EXPECT_DEATH(memory->block(PageId{0}, 3), "outside the pool");
}

TEST(PoolMemory, RefusesFormatsThatCannotBe) {
  EXPECT_FALSE(PoolMemory::create_private({0, 24}, 1));
  EXPECT_FALSE(PoolMemory::create_private({3, 0}, 1));
  EXPECT_FALSE(PoolMemory::create_private({PageFormat::kLayersMax + 1, 24}, 1));
  EXPECT_FALSE(PoolMemory::create_private({3, PageFormat::kEntryBytesMax + 1}, 1));
  EXPECT_FALSE(PoolMemory::create_private(kFormat, 0));
  EXPECT_FALSE(PoolMemory::create_private({1024, 1 << 16}, 0xffffffffu));
}

TEST(PoolMemory, IsSeenThroughItsSharedNameUntilItEnds) {
  std::string name;
  {
    auto memory = PoolMemory::create_shared(kFormat, 2, "baton-test-pool");
    ASSERT_TRUE(memory) << memory.error().message;
    name = memory->shared_name();
    ASSERT_FALSE(name.empty());
    *memory->entry(PageId{1}, 2, 63) = std::byte{42};
    auto other = Mapping::open_shared(name);
    ASSERT_TRUE(other) << other.error().message;
    EXPECT_EQ(other->bytes().size(), 2 * kFormat.page_bytes());
    EXPECT_EQ(other->bytes()[memory->offset_of(PageId{1}, 2) + 63 * 24], std::byte{42});
  }
  EXPECT_FALSE(Mapping::open_shared(name));
}

TEST(PoolMemory, HasNoSharedNameWhenPrivate) {
  EXPECT_TRUE(PoolMemory::create_private(kFormat, 1)->shared_name().empty());
}

TEST(PageDigest, CoversTheGivenTokensOfAllLayersAndNothingElse) {
  auto a = PoolMemory::create_private(kFormat, 4);
  auto b = PoolMemory::create_private(kFormat, 4);
  const auto fill = [](PoolMemory& memory, PageId page) {
    for (uint32_t layer = 0; layer < 3; ++layer) {
      for (uint32_t i = 0; i < 10 * 24; ++i) {
        memory.block(page, layer)[i] = static_cast<std::byte>(layer * 77 + i);
      }
    }
  };
  fill(*a, PageId{0});
  fill(*b, PageId{3});  // elsewhere, the same logical bytes
  *b->entry(PageId{3}, 1, 10) = std::byte{1};
  EXPECT_EQ(page_digest(*a, PageId{0}, 10), page_digest(*b, PageId{3}, 10));
  EXPECT_NE(page_digest(*a, PageId{0}, 11), page_digest(*b, PageId{3}, 11));
  *b->entry(PageId{3}, 2, 9) ^= std::byte{1};
  EXPECT_NE(page_digest(*a, PageId{0}, 10), page_digest(*b, PageId{3}, 10));
}

TEST(PageDigests, AreOneAPageAndOfThePartialOneOnlyAsFarAsItGoes) {
  auto memory = PoolMemory::create_private(kFormat, 12);
  const std::vector<PageId> pages{PageId{10}, PageId{7}};
  *memory->entry(PageId{7}, 2, 5) = std::byte{9};
  const auto digests = page_digests(*memory, pages, 70);
  EXPECT_EQ(digests, (std::vector{page_digest(*memory, PageId{10}, 64),
                                  page_digest(*memory, PageId{7}, 6)}));
  *memory->entry(PageId{7}, 2, 6) = std::byte{9};  // beyond the tokens
  EXPECT_EQ(page_digests(*memory, pages, 70), digests);
}

}  // namespace
}  // namespace baton::kvcache
