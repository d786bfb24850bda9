#include "kvcache/page_pool.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/hash/counter_rng.h"
#include "kvcache/invariants.h"

namespace baton::kvcache {
namespace {

TEST(PagePool, AllocatesAllOrNothing) {
  PagePool pool(4);
  ASSERT_TRUE(pool.allocate(3, PageState::reserved));
  EXPECT_FALSE(pool.allocate(2, PageState::filling));
  EXPECT_EQ(pool.counts().free, 1u);
  EXPECT_TRUE(pool.allocate(1, PageState::in_use));
  EXPECT_FALSE(pool.allocate(1, PageState::reserved));
  EXPECT_EQ(broken_invariant(pool), std::nullopt);
}

TEST(PagePool, AllocatesNoPagesFromAnEmptyPool) {
  PagePool pool(0);
  const auto none = pool.allocate(0, PageState::reserved);
  ASSERT_TRUE(none);
  EXPECT_TRUE(none->empty());
  EXPECT_FALSE(pool.allocate(1, PageState::reserved));
}

TEST(PagePool, CountsPagesByState) {
  PagePool pool(10);
  const auto reserved = *pool.allocate(4, PageState::reserved);
  pool.allocate(2, PageState::in_use);
  pool.advance(reserved[0].page, PageState::filling);
  pool.advance(reserved[1].page, PageState::filling);
  pool.advance(reserved[1].page, PageState::in_use);
  EXPECT_EQ(pool.counts(), (PageCounts{10, 4, 2, 1, 3, 0}));
  EXPECT_EQ(broken_invariant(pool), std::nullopt);
}

TEST(PagePool, FreesAPageWithItsLastReference) {
  PagePool pool(1);
  const PageId page = pool.allocate(1, PageState::in_use)->front().page;
  pool.add_reference(page);
  EXPECT_EQ(pool.references(page), 2u);
  pool.release(page);
  EXPECT_EQ(pool.state(page), PageState::in_use);
  pool.release(page);
  EXPECT_EQ(pool.state(page), PageState::free);
  EXPECT_EQ(pool.counts().free, 1u);
}

TEST(PagePool, NeverGivesOutTheSameEpochOfAPageTwice) {
  PagePool pool(2);
  std::set<std::pair<uint32_t, uint32_t>> names;
  for (int round = 0; round < 100; ++round) {
    const auto pages = pool.allocate(2, PageState::reserved);
    for (const ReservedPage& r : *pages) {
      EXPECT_TRUE(names.insert({r.page.value, r.epoch.value}).second);
      EXPECT_EQ(pool.epoch(r.page), r.epoch);
      pool.release(r.page);
    }
  }
}

TEST(PagePool, KeepsAPageThatNobodyReadsUntilItIsReusedOrEvicted) {
  PagePool pool(1);
  const auto [page, epoch] = pool.allocate(1, PageState::in_use)->front();
  pool.keep(page);
  EXPECT_EQ(pool.counts(), (PageCounts{1, 0, 0, 0, 0, 1}));
  EXPECT_EQ(pool.references(page), 0u);
  EXPECT_FALSE(pool.allocate(1, PageState::filling));
  EXPECT_EQ(broken_invariant(pool), std::nullopt);
  pool.reuse(page);
  EXPECT_EQ(pool.state(page), PageState::in_use);
  EXPECT_EQ(pool.references(page), 1u);
  EXPECT_EQ(pool.epoch(page), epoch) << "its bytes are still the same";
  pool.keep(page);
  pool.evict(page);
  EXPECT_EQ(pool.counts().free, 1u);
  EXPECT_EQ(broken_invariant(pool), std::nullopt);
}

TEST(PagePoolDeath, StopsAtBrokenUse) {
  PagePool pool(2);
  const PageId page = pool.allocate(1, PageState::reserved)->front().page;
  EXPECT_DEATH(pool.add_reference(page), "only a page in use");
  EXPECT_DEATH(pool.advance(page, PageState::in_use), "advances from reserved");
  EXPECT_DEATH(pool.release(PageId{1}), "a free page is released");
  EXPECT_DEATH(pool.state(PageId{2}), "doesn't have");
  EXPECT_DEATH(pool.allocate(1, PageState::cached), "allocated as");
  EXPECT_DEATH(pool.keep(page), "is kept");
  EXPECT_DEATH(pool.reuse(page), "only a cached page");
  EXPECT_DEATH(pool.evict(page), "only a cached page");
}

// The naive model: a map from page to (state, references, epoch), searched for every question.
struct Naive {
  struct Page {
    PageState state = PageState::free;
    uint32_t references = 0;
    uint32_t epoch = 0;
  };
  std::map<uint32_t, Page> pages;
  uint32_t in(PageState state) const {
    uint32_t n = 0;
    for (const auto& [id, page] : pages) n += page.state == state;
    return n;
  }
};

TEST(PagePool, AgreesWithANaiveModelUnderRandomUse) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    SeededRandom random(seed);
    const auto size = static_cast<uint32_t>(1 + random.below(40));
    PagePool pool(size);
    Naive model;
    for (uint32_t i = 0; i < size; ++i) model.pages[i] = {};
    for (int step = 0; step < 400; ++step) {
      const PageId page{static_cast<uint32_t>(random.below(size))};
      Naive::Page& own = model.pages[page.value];
      switch (random.below(6)) {
        case 0: {
          const auto count = static_cast<uint32_t>(random.below(6));
          const auto state = static_cast<PageState>(1 + random.below(3));
          const auto got = pool.allocate(count, state);
          ASSERT_EQ(got.has_value(), count <= model.in(PageState::free));
          for (size_t i = 0; got && i < got->size(); ++i) {
            const ReservedPage r = (*got)[i];
            ASSERT_EQ(model.pages[r.page.value].state, PageState::free);
            const uint32_t epoch = model.pages[r.page.value].epoch + 1;
            ASSERT_EQ(r.epoch.value, epoch);
            model.pages[r.page.value] = {state, 1, epoch};
          }
          break;
        }
        case 1:
          if (own.state == PageState::reserved || own.state == PageState::filling) {
            own.state = own.state == PageState::reserved ? PageState::filling : PageState::in_use;
            pool.advance(page, own.state);
          }
          break;
        case 2:
          if (own.state == PageState::in_use) {
            ++own.references;
            pool.add_reference(page);
          }
          break;
        case 3:
          if (own.state == PageState::in_use && own.references == 1) {
            own = {PageState::cached, 0, own.epoch};
            pool.keep(page);
          }
          break;
        case 4:
          if (own.state != PageState::cached) break;
          if (random.chance(0.5)) {
            own = {PageState::in_use, 1, own.epoch};
            pool.reuse(page);
          } else {
            own.state = PageState::free;
            pool.evict(page);
          }
          break;
        default:
          if (own.references > 0) {
            if (--own.references == 0) own.state = PageState::free;
            pool.release(page);
          }
      }
      ASSERT_EQ(pool.state(page), own.state);
      ASSERT_EQ(pool.references(page), own.references);
      ASSERT_EQ(pool.counts().free, model.in(PageState::free));
      ASSERT_EQ(pool.counts().in_use, model.in(PageState::in_use));
      ASSERT_EQ(broken_invariant(pool), std::nullopt) << "seed " << seed;
    }
  }
}

}  // namespace
}  // namespace baton::kvcache
