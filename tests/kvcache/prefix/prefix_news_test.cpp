#include "kvcache/prefix/prefix_news.h"

#include <gtest/gtest.h>

namespace baton::kvcache {
namespace {

PageName name(uint64_t of) { return {sha256(std::as_bytes(std::span(&of, 1)))}; }
uint64_t short_name(uint64_t of) { return name(of).short_name(); }

void list(PrefixIndex& index, uint32_t page, uint64_t named) {
  ASSERT_TRUE(index.insert(name(named), PageId{page}, std::nullopt, kPageTokens));
}

TEST(PrefixNews, TellsChangesSinceWhatTheSchedulerKnows) {
  PrefixIndex index({.pages = 4});
  PrefixNews news({});
  EXPECT_EQ(news.next(index), PrefixChanges{});
  list(index, 0, 1);
  list(index, 1, 2);
  const PrefixChanges first = news.next(index);
  EXPECT_EQ(first.came, (std::vector{short_name(1), short_name(2)}));
  EXPECT_EQ(first.to, 2u);
  EXPECT_EQ(news.next(index), first) << "until the scheduler says that it knows";
  news.seen(2);
  index.unpin(PageId{0});
  ASSERT_EQ(index.evict(), PageId{0});
  const PrefixChanges second = news.next(index);
  EXPECT_EQ(second.from, 2u);
  EXPECT_EQ(second.went, std::vector{short_name(1)});
  EXPECT_TRUE(second.came.empty());
}

TEST(PrefixNews, ANameIsToldAsItEndedUp) {
  PrefixIndex index({.pages = 4});
  const PrefixNews news({});
  for (int i = 0; i < 3; ++i) {
    list(index, 0, 1);
    index.unpin(PageId{0});
    index.evict();
  }
  EXPECT_TRUE(news.next(index).came.empty());
  EXPECT_EQ(news.next(index).went, std::vector{short_name(1)});
  list(index, 0, 1);
  EXPECT_EQ(news.next(index).came, std::vector{short_name(1)});
  EXPECT_TRUE(news.next(index).went.empty());
}

TEST(PrefixNews, TellsSomeAtATimeAndHowMuchThereIs) {
  PrefixIndex index({.pages = 8});
  PrefixNews news({.changes_max = 3});
  for (uint32_t i = 0; i < 5; ++i) list(index, i, i);
  EXPECT_EQ(news.next(index).to, 3u);
  EXPECT_EQ(news.next(index).end, 5u);
  news.seen(3);
  EXPECT_EQ(news.next(index).came, (std::vector{short_name(3), short_name(4)}));
}

TEST(PrefixNews, TellsEverythingWhereTheLogDoesNotReachBack) {
  PrefixIndex index({.pages = 8, .log_changes_max = 3});
  PrefixNews news({.whole_max = 4});
  for (uint32_t i = 0; i < 5; ++i) list(index, i, i);
  const PrefixChanges whole = news.next(index);
  EXPECT_TRUE(whole.whole);
  EXPECT_EQ(whole.to, 5u);
  EXPECT_EQ(whole.came.size(), 4u) << "as much as may be told at once";
  news.seen(5);
  EXPECT_FALSE(news.next(index).whole);
}

}  // namespace
}  // namespace baton::kvcache
