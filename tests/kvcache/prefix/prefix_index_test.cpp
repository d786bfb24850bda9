#include "kvcache/prefix/prefix_index.h"

#include <gtest/gtest.h>

#include <set>

#include "base/hash/counter_rng.h"

namespace baton::kvcache {
namespace {

PageName name(uint64_t of) { return {sha256(std::as_bytes(std::span(&of, 1)))}; }

// Pages 0, 1, 2, ... as one prompt, pinned once each.
void list_chain(PrefixIndex& index, uint32_t pages, uint64_t names_from = 0) {
  for (uint32_t i = 0; i < pages; ++i)
    ASSERT_TRUE(index.insert(name(names_from + i), PageId{i},
                             i > 0 ? std::optional(PageId{i - 1}) : std::nullopt, kPageTokens));
}

TEST(PrefixIndex, FindsTheLongestRunFromTheFirstPageOn) {
  PrefixIndex index({.pages = 8});
  list_chain(index, 3);
  const std::vector<PageName> names{name(0), name(1), name(9), name(2)};
  EXPECT_EQ(index.match(names), (std::vector<PageId>{PageId{0}, PageId{1}}));
  EXPECT_TRUE(index.match(std::span(names).subspan(2)).empty());
  EXPECT_EQ(index.find(name(2)), PageId{2});
  EXPECT_EQ(broken_invariant(index), std::nullopt);
}

TEST(PrefixIndex, MatchesLongRunsInALargeIndex) {
  PrefixIndex index({.pages = 500});
  list_chain(index, 500);
  std::vector<PageName> names;
  for (uint64_t i = 0; i < 600; ++i) names.push_back(name(i));
  EXPECT_EQ(index.match(names).size(), 500u);
}

TEST(PrefixIndex, EvictsTheDeepestFirstAndNothingThatIsPinned) {
  PrefixIndex index({.pages = 8});
  list_chain(index, 4);
  EXPECT_FALSE(index.evict());
  for (uint32_t i = 4; i-- > 0;) index.unpin(PageId{i});
  index.pin(PageId{0});
  index.pin(PageId{1});
  EXPECT_EQ(index.evictable(), 2u);
  EXPECT_EQ(index.evict(), PageId{3});
  EXPECT_EQ(index.evict(), PageId{2});
  EXPECT_FALSE(index.evict());
  EXPECT_FALSE(index.listed(PageId{2}));
  EXPECT_FALSE(index.find(name(2)));
  EXPECT_EQ(broken_invariant(index), std::nullopt);
}

TEST(PrefixIndex, KeepsTheFirstOfTwoPagesWithOneName) {
  PrefixIndex index({.pages = 8});
  list_chain(index, 1);
  EXPECT_FALSE(index.insert(name(0), PageId{5}, std::nullopt, kPageTokens));
  EXPECT_EQ(index.find(name(0)), PageId{0});
  EXPECT_FALSE(index.listed(PageId{5}));
}

TEST(PrefixIndex, FindsTheLongestTailThatThePromptGoesOnWith) {
  PrefixIndex index({.pages = 8});
  const PageName root = name(100);
  std::vector<TokenId> tokens(64);
  for (TokenId i = 0; i < 64; ++i) tokens[i] = i * 3;
  const std::span<const TokenId> all(tokens);
  ASSERT_TRUE(index.insert(page_name(root, all), PageId{0}, std::nullopt, 64));
  const PageName full = page_name(root, all);
  // One tail below the root, three below the full page, one of them of other tokens.
  ASSERT_TRUE(index.insert(page_name(root, all.first(10)), PageId{1}, std::nullopt, 10));
  ASSERT_TRUE(index.insert(page_name(full, all.first(5)), PageId{2}, PageId{0}, 5));
  ASSERT_TRUE(index.insert(page_name(full, all.first(9)), PageId{3}, PageId{0}, 9));
  ASSERT_TRUE(index.insert(page_name(full, all.subspan(1, 20)), PageId{4}, PageId{0}, 20));
  const auto tail = [&](std::optional<PageId> before, const PageName& named, size_t tokens) {
    const auto found = index.match_tail(before, named, all.first(tokens));
    return found ? std::pair(found->page.value, found->tokens) : std::pair(99u, 0u);
  };
  EXPECT_EQ(tail(std::nullopt, root, 60), std::pair(1u, 10u));
  EXPECT_EQ(tail(std::nullopt, root, 9), std::pair(99u, 0u));
  EXPECT_EQ(tail(PageId{0}, full, 64), std::pair(3u, 9u));
  EXPECT_EQ(tail(PageId{0}, full, 9), std::pair(3u, 9u));
  EXPECT_EQ(tail(PageId{0}, full, 8), std::pair(2u, 5u));
  EXPECT_EQ(tail(PageId{0}, full, 0), std::pair(99u, 0u));
  EXPECT_EQ(broken_invariant(index), std::nullopt);
}

TEST(PrefixIndex, APageThatGoesOnWithAConversationInheritsItsHits) {
  PrefixIndex index({.pages = 8, .eviction = Eviction::lfu});
  list_chain(index, 1);
  index.unpin(PageId{0});
  index.use(PageId{0});
  // Page 1 goes on, page 2 is a branch, page 3 a stranger.
  ASSERT_TRUE(index.insert(name(1), PageId{1}, PageId{0}, kPageTokens));
  ASSERT_TRUE(index.insert(name(2), PageId{2}, PageId{0}, kPageTokens));
  ASSERT_TRUE(index.insert(name(3), PageId{3}, std::nullopt, kPageTokens));
  for (const uint32_t page : {1u, 2u, 3u, 0u}) index.unpin(PageId{page});
  EXPECT_EQ(index.evict(), PageId{2});
  EXPECT_EQ(index.evict(), PageId{3});
  EXPECT_EQ(index.evict(), PageId{1});
  EXPECT_EQ(index.evict(), PageId{0});
}

TEST(PrefixIndex, LogsWhatComesAndGoes) {
  PrefixIndex index({.pages = 8});
  list_chain(index, 2);
  index.unpin(PageId{1});
  index.evict();
  const auto changes = index.log().read(0, 10);
  ASSERT_TRUE(changes);
  EXPECT_EQ(*changes, (std::vector<PageChange>{{name(0).short_name(), true},
                                               {name(1).short_name(), true},
                                               {name(1).short_name(), false}}));
  EXPECT_EQ(index.short_names(9), std::vector<uint64_t>{name(0).short_name()});
}

TEST(PrefixIndex, TakesLessThan200BytesAPage) {
  for (const uint32_t pages : {1000u, 1024u, 1025u, 100'000u}) {
    const PrefixIndex index({.pages = pages});
    EXPECT_LT(index.bytes(), size_t{pages} * 200) << pages;
  }
}

TEST(PrefixIndexDeath, StopsAtBrokenUse) {
  PrefixIndex index({.pages = 4});
  list_chain(index, 2);
  index.unpin(PageId{1});
  EXPECT_DEATH(index.unpin(PageId{1}), "more often than pinned");
  EXPECT_DEATH(index.pin(PageId{3}), "not listed");
  EXPECT_DEATH(index.insert(name(7), PageId{0}, std::nullopt, 64), "listed twice");
  EXPECT_DEATH(index.insert(name(7), PageId{3}, PageId{1}, 64), "one that may go");
}

// Prompts over few tokens, so that they share; each is held for a while, as running requests do.
TEST(PrefixIndex, HoldsItsInvariantsUnderRandomUse) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    SeededRandom random(seed);
    const auto pages = static_cast<uint32_t>(1 + random.below(40));
    PrefixIndex index({.pages = pages, .eviction = static_cast<Eviction>(seed % 3)});
    std::vector<uint32_t> free;
    for (uint32_t page = 0; page < pages; ++page) free.push_back(page);
    std::vector<std::vector<PageId>> held;
    for (int step = 0; step < 300; ++step) {
      if (!held.empty() && random.chance(0.5)) {
        const size_t who = random.below(held.size());
        for (size_t i = held[who].size(); i-- > 0;) index.unpin(held[who][i]);
        held.erase(held.begin() + static_cast<std::ptrdiff_t>(who));
      } else {
        std::vector<PageName> names;
        uint64_t chain = 0;
        for (uint64_t i = random.below(6) + 1; i > 0; --i)
          names.push_back(name(chain = chain * 3 + random.below(2) + 1));
        std::vector<PageId> mine = index.match(names);
        for (const PageId page : mine) index.use(page);
        while (mine.size() < names.size()) {
          if (free.empty()) {
            const auto victim = index.evict();
            if (!victim) break;
            free.push_back(victim->value);
          }
          const PageId page{free.back()};
          free.pop_back();
          ASSERT_TRUE(index.insert(names[mine.size()], page,
                                   mine.empty() ? std::nullopt : std::optional(mine.back()), 64));
          mine.push_back(page);
        }
        held.push_back(std::move(mine));
      }
      ASSERT_EQ(broken_invariant(index), std::nullopt) << "seed " << seed;
      ASSERT_EQ(index.size() + free.size(), pages);
    }
  }
}

}  // namespace
}  // namespace baton::kvcache
