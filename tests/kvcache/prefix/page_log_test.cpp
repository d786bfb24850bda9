#include "kvcache/prefix/page_log.h"

#include <gtest/gtest.h>

namespace baton::kvcache {
namespace {

TEST(PageLog, TellsWhatHappenedSince) {
  PageLog log(4);
  EXPECT_EQ(log.read(0, 9)->size(), 0u);
  log.append({1, true});
  log.append({2, true});
  log.append({1, false});
  EXPECT_EQ(*log.read(1, 9), (std::vector<PageChange>{{2, true}, {1, false}}));
  EXPECT_EQ(*log.read(0, 2), (std::vector<PageChange>{{1, true}, {2, true}}));
  EXPECT_EQ(log.read(3, 9)->size(), 0u);
  EXPECT_FALSE(log.read(4, 1));  // that is yet to come
}

TEST(PageLog, ForgetsTheOldestAndSaysSo) {
  PageLog log(4);
  for (uint64_t i = 0; i < 10; ++i) log.append({i, true});
  EXPECT_EQ(log.begin(), 6u);
  EXPECT_EQ(log.end(), 10u);
  EXPECT_FALSE(log.read(5, 9));
  ASSERT_TRUE(log.read(6, 9));
  EXPECT_EQ(log.read(6, 9)->front(), (PageChange{6, true}));
  EXPECT_EQ(log.read(6, 9)->size(), 4u);
}

}  // namespace
}  // namespace baton::kvcache
