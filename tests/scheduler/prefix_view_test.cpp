#include "scheduler/prefix_view.h"

#include <gtest/gtest.h>

#include "base/hash/counter_rng.h"
#include "kvcache/prefix/prefix_news.h"
#include "tests/scheduler/cluster.h"

namespace baton::scheduler {
namespace {

Heartbeat told(PrefixChanges changes, uint64_t incarnation = 7) {
  Heartbeat heartbeat = beat("prefill-0", incarnation, Role::prefill);
  heartbeat.prefixes = std::move(changes);
  return heartbeat;
}

TEST(PrefixView, KnowsHowMuchOfAPrefixAnInstanceKeeps) {
  PrefixView view({});
  const std::vector<uint64_t> prefix{1, 2, 3};
  EXPECT_EQ(view.held(Incarnation{7}, prefix), 0u);
  EXPECT_EQ(view.update(told({.to = 3, .end = 3, .came = {1, 2, 9}}), kStart), 3u);
  EXPECT_EQ(view.held(Incarnation{7}, prefix), 2u);
  EXPECT_EQ(view.held(Incarnation{8}, prefix), 0u);
  EXPECT_EQ(view.update(told({.from = 3, .to = 5, .end = 5, .came = {3}, .went = {1}}), kStart),
            5u);
  EXPECT_EQ(view.held(Incarnation{7}, prefix), 0u) << "a prefix begins with its first page";
  EXPECT_EQ(view.size(Incarnation{7}), 3u);
  view.gone(Incarnation{7});
  EXPECT_EQ(view.size(Incarnation{7}), 0u);
}

TEST(PrefixView, DoesNotTakeWhatDoesNotJoin) {
  PrefixView view({});
  EXPECT_EQ(view.update(told({.from = 4, .to = 6, .end = 6, .came = {1}}), kStart), 0u);
  EXPECT_EQ(view.update(told({.to = 2, .end = 6, .came = {1, 2}}), kStart), 2u);
  EXPECT_EQ(view.update(told({.from = 4, .to = 6, .end = 6, .went = {1}}), kStart), 2u) << "a gap";
  EXPECT_EQ(view.update(told({.to = 1, .end = 6, .went = {2}}), kStart), 2u) << "came too late";
  EXPECT_EQ(view.update(told({.from = 1, .to = 4, .end = 6, .came = {3, 4}}), kStart), 4u);
  EXPECT_EQ(view.size(Incarnation{7}), 4u);
  EXPECT_EQ(view.update(told({.to = 9, .end = 9, .whole = true, .came = {5}}), kStart), 9u);
  EXPECT_EQ(view.size(Incarnation{7}), 1u);
}

TEST(PrefixView, SaysWhenItIsLateOrEmpty) {
  PrefixView view({.late_after = 5s});
  const Incarnation instance{7};
  view.update(told({.to = 2, .end = 6, .came = {1}}), kStart);
  EXPECT_FALSE(view.late(instance, kStart + 5s));
  EXPECT_TRUE(view.late(instance, kStart + 6s));
  view.update(told({.from = 2, .to = 6, .end = 6, .came = {2}}), kStart + 7s);
  EXPECT_FALSE(view.late(instance, kStart + 20s));

  Heartbeat silent = beat("prefill-1", 8, Role::prefill);
  view.update(silent, kStart);
  EXPECT_FALSE(view.late(Incarnation{8}, kStart + 20s)) << "it keeps nothing";
  silent.load.pages.cached = 3;
  view.update(silent, kStart);
  view.update(silent, kStart + 6s);
  EXPECT_TRUE(view.late(Incarnation{8}, kStart + 6s)) << "it keeps pages and has told of none";

  Heartbeat store = beat("kvstore-0", 9, Role::kvstore);
  store.load.pages.cached = 3;
  view.update(store, kStart);
  view.update(store, kStart + 6s);
  EXPECT_FALSE(view.late(Incarnation{9}, kStart + 6s)) << "it is asked, and tells nothing";
}

TEST(PrefixView, HoldsNoMoreThanItsLimit) {
  PrefixView view({.names_max = 2});
  view.update(told({.to = 3, .end = 3, .came = {1, 2, 3}}), kStart);
  EXPECT_EQ(view.size(Incarnation{7}), 2u);
  EXPECT_EQ(broken_invariant(view), std::nullopt);
}

// Heartbeats and answers get lost, come twice or late; schedulers die. Once all is calm the view is
// what the index lists.
TEST(PrefixView, EndsUpWithWhatTheIndexLists) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    SeededRandom random(seed);
    const auto pages = static_cast<uint32_t>(4 + random.below(40));
    kvcache::PrefixIndex index({.pages = pages, .log_changes_max = 8});
    kvcache::PrefixNews news({.changes_max = 1 + random.below(6)});
    PrefixView view({});
    std::vector<PrefixChanges> late;
    std::vector<uint32_t> free;
    for (uint32_t page = 0; page < pages; ++page) free.push_back(page);
    const auto tell = [&](const PrefixChanges& changes) {
      const uint64_t known = view.update(told(changes), kStart);
      if (random.chance(0.8)) news.seen(known);
      ASSERT_EQ(broken_invariant(view), std::nullopt);
    };
    for (int step = 0; step < 400; ++step) {
      if (free.empty() || random.chance(0.3)) {
        if (const auto page = index.evict()) free.push_back(page->value);
      } else {
        const uint64_t of = random.below(3 * pages);
        const kvcache::PageName name{sha256(std::as_bytes(std::span(&of, 1)))};
        if (index.insert(name, PageId{free.back()}, std::nullopt, kPageTokens)) {
          index.unpin(PageId{free.back()});
          free.pop_back();
        }
      }
      if (random.chance(0.4)) late.push_back(news.next(index));
      if (!late.empty() && random.chance(0.5)) {
        const size_t which = random.below(late.size());
        tell(late[which]);
        if (random.chance(0.7)) late.erase(late.begin() + static_cast<std::ptrdiff_t>(which));
      }
      if (random.chance(0.01)) view = PrefixView({});
    }
    for (int i = 0; i < 100; ++i) news.seen(view.update(told(news.next(index)), kStart));
    const auto names = index.short_names(pages);
    EXPECT_EQ(view.size(Incarnation{7}), names.size()) << "seed " << seed;
    for (const uint64_t name : names) EXPECT_EQ(view.held(Incarnation{7}, std::span(&name, 1)), 1u);
  }
}

}  // namespace
}  // namespace baton::scheduler
