#include "kvcache/prefix/prefix_cache.h"

#include <gtest/gtest.h>

#include <set>

#include "base/hash/counter_rng.h"
#include "bench/trace/request_trace.h"
#include "tests/kvcache/prefix/brute_force.h"
#include "tests/support/shared_data.h"

namespace baton::kvcache {
namespace {

PageName name(uint64_t of) { return {sha256(std::as_bytes(std::span(&of, 1)))}; }

std::vector<PageName> names(std::initializer_list<uint64_t> of) {
  std::vector<PageName> out;
  for (const uint64_t one : of) out.push_back(name(one));
  return out;
}

// What a prefill does with a prompt; the caller lets it go.
std::vector<PageId> compute(PrefixCache& cache, std::span<const PageName> prompt) {
  std::vector<PageId> pages = cache.take(prompt);
  const auto fresh =
      cache.allocate(static_cast<uint32_t>(prompt.size() - pages.size()), PageState::filling);
  if (!fresh) {
    cache.release(pages);
    return {};
  }
  for (const ReservedPage& page : *fresh) {
    cache.advance(page.page, PageState::in_use);
    cache.publish(prompt[pages.size()], page.page,
                  pages.empty() ? std::nullopt : std::optional(pages.back()), kPageTokens);
    pages.push_back(page.page);
  }
  return pages;
}

TEST(PrefixCache, KeepsWhatIsLetGoAndGivesItAgain) {
  PrefixCache cache({.pages = 4}, true);
  const auto prompt = names({1, 2, 3});
  const auto pages = compute(cache, prompt);
  EXPECT_EQ(cache.pool().counts(), (PageCounts{4, 1, 0, 0, 3, 0}));
  cache.release(pages);
  EXPECT_EQ(cache.pool().counts(), (PageCounts{4, 1, 0, 0, 0, 3}));
  EXPECT_EQ(cache.take(prompt), pages);
  EXPECT_EQ(cache.pool().counts().in_use, 3u);
  EXPECT_EQ(broken_invariant(cache), std::nullopt);
}

TEST(PrefixCache, ManyMayHoldOnePage) {
  PrefixCache cache({.pages = 4}, true);
  const auto prompt = names({1, 2});
  const auto first = compute(cache, prompt);
  const auto second = cache.take(prompt);
  cache.release(first);
  EXPECT_EQ(cache.pool().counts().in_use, 2u);
  EXPECT_EQ(broken_invariant(cache), std::nullopt);
  cache.release(second);
  EXPECT_EQ(cache.pool().counts().cached, 2u);
}

TEST(PrefixCache, CachedPagesGiveWayAndNoOthers) {
  PrefixCache cache({.pages = 4}, true);
  const auto running = compute(cache, names({1, 2}));
  cache.release(compute(cache, names({7, 8})));
  EXPECT_FALSE(cache.allocate(3, PageState::filling));
  EXPECT_EQ(cache.pool().counts().cached, 2u) << "what can't be had evicts nothing";
  const auto fresh = cache.allocate(1, PageState::filling);
  ASSERT_TRUE(fresh);
  EXPECT_EQ(cache.counts().pages_evicted, 1u);
  EXPECT_EQ(cache.take(names({7, 8})).size(), 1u) << "the deeper page went first";
  EXPECT_EQ(cache.take(names({1, 2})), running);
  EXPECT_EQ(broken_invariant(cache), std::nullopt);
}

TEST(PrefixCache, OfTwoThatComputeTheSameOneIsListedAndBothHoldIt) {
  PrefixCache cache({.pages = 8}, true);
  const auto a = *cache.allocate(2, PageState::in_use);
  const auto b = *cache.allocate(2, PageState::in_use);
  EXPECT_FALSE(cache.publish(name(1), a[0].page, std::nullopt, 64));
  const auto other = cache.publish(name(1), b[0].page, std::nullopt, 64);
  EXPECT_EQ(other, a[0].page);
  EXPECT_FALSE(cache.publish(name(2), b[1].page, *other, 64));
  cache.release(std::vector{a[0].page, a[1].page});
  EXPECT_EQ(broken_invariant(cache), std::nullopt);
  EXPECT_EQ(cache.pool().counts().cached, 0u) << "b's second page hangs below it";
  cache.release(std::vector{b[0].page, *other, b[1].page});
  EXPECT_EQ(cache.pool().counts(), (PageCounts{8, 6, 0, 0, 0, 2}));
  EXPECT_EQ(broken_invariant(cache), std::nullopt);
}

TEST(PrefixCache, APinnedPrefixStaysWhetherItWasThereBeforeOrNot) {
  PrefixCache cache({.pages = 8}, true);
  const auto prompt = names({1, 2, 3});
  cache.release(compute(cache, std::span(prompt).first(2)));
  cache.pin(prompt);
  cache.pin(prompt);
  EXPECT_EQ(cache.pinned().size(), 2u);
  cache.release(compute(cache, prompt));
  EXPECT_EQ(cache.pinned().size(), 3u) << "the third, once it is there";
  EXPECT_FALSE(cache.allocate(6, PageState::filling));
  const auto others = compute(cache, names({11, 12, 13, 14, 15}));
  EXPECT_EQ(others.size(), 5u);
  cache.release(others);
  EXPECT_EQ(cache.known(prompt).pages, 3u);
  EXPECT_EQ(broken_invariant(cache), std::nullopt);
}

TEST(PrefixCache, NoMoreThanHalfOfThePagesArePinned) {
  PrefixCache cache({.pages = 5}, true);
  const auto prompt = names({1, 2, 3, 4});
  cache.pin(prompt);
  cache.release(compute(cache, prompt));
  EXPECT_EQ(cache.pinned().size(), 2u);
  EXPECT_EQ(compute(cache, names({11, 12, 13})).size(), 3u) << "there is room for others";
  EXPECT_EQ(cache.known(prompt).pages, 2u);
  EXPECT_EQ(broken_invariant(cache), std::nullopt);
}

TEST(PrefixCache, SwitchedOffItIsAPool) {
  PrefixCache cache({.pages = 2}, false);
  cache.release(compute(cache, names({1, 2})));
  EXPECT_EQ(cache.pool().counts().free, 2u);
  EXPECT_TRUE(cache.take(names({1, 2})).empty());
  cache.pin(names({1, 2}));
  EXPECT_TRUE(cache.pinned().empty());
}

// Random prompts that share, some held for a while: the accounts agree after every step, and what
// is taken has the name that was asked for.
TEST(PrefixCache, HoldsItsInvariantsUnderRandomUse) {
  for (uint64_t seed = 0; seed < 30; ++seed) {
    SeededRandom random(seed);
    PrefixCache cache({.pages = static_cast<uint32_t>(1 + random.below(30)),
                       .eviction = static_cast<Eviction>(seed % 3)},
                      true);
    std::vector<std::vector<PageId>> held;
    for (int step = 0; step < 300; ++step) {
      if (!held.empty() && random.chance(0.5)) {
        std::swap(held[random.below(held.size())], held.back());
        cache.release(held.back());
        held.pop_back();
      } else {
        std::vector<PageName> prompt;
        uint64_t chain = 0;
        for (uint64_t i = random.below(6) + 1; i > 0; --i)
          prompt.push_back(name(chain = chain * 3 + random.below(2) + 1));
        if (random.chance(0.02)) cache.pin(prompt);
        auto pages = compute(cache, prompt);
        for (size_t i = 0; i < pages.size(); ++i)
          ASSERT_EQ(cache.index().find(prompt[i]), pages[i]);
        held.push_back(std::move(pages));
      }
      ASSERT_EQ(broken_invariant(cache), std::nullopt) << "seed " << seed;
    }
  }
}

// ---- traffic -----------------------------------------------------------------------------------

std::vector<bench::TraceRequest> conversations(uint64_t seed) {
  SeededRandom random(seed);
  std::vector<bench::TraceRequest> trace;
  std::vector<std::vector<uint64_t>> open(20);
  uint64_t fresh = 100;
  for (int i = 0; i < 600; ++i) {
    auto& blocks = open[random.below(open.size())];
    if (blocks.empty() || random.chance(0.2)) blocks = {random.below(3)};
    for (uint64_t more = random.below(4); more > 0; --more) blocks.push_back(fresh++);
    trace.push_back({.blocks = blocks});
  }
  return trace;
}

void expect_as_brute_force(const std::vector<bench::TraceRequest>& trace, uint32_t pages) {
  for (const Eviction eviction : {Eviction::lru, Eviction::lfu, Eviction::credit}) {
    testing::BruteForce twin(pages, eviction);
    uint64_t hits = 0;
    for (const auto& request : trace) hits += twin.request(request.blocks);
    EXPECT_EQ(bench::replay(trace, pages, eviction).hits, hits)
        << pages << " pages, " << to_string(eviction);
  }
}

TEST(PrefixCache, SaysWhatTakingLeavesAndMakesRoomForSessions) {
  PrefixCache cache({.pages = 4}, true);
  const auto prompt = names({1, 2, 3});
  const auto pages = compute(cache, prompt);
  EXPECT_EQ(cache.room(), 1u);
  EXPECT_EQ(cache.known(prompt).pages, 3u);
  EXPECT_EQ(cache.known(prompt).idle, 0u);
  cache.hold(pages);  // a fork
  const auto own = cache.allocate(1, PageState::in_use);
  cache.hold(std::span(&own->front().page, 1));  // and a page that is not listed
  EXPECT_EQ(cache.pool().references(own->front().page), 2u);
  for (int i = 0; i < 2; ++i) {
    cache.release(std::span(&own->front().page, 1));
    cache.release(pages);
  }
  EXPECT_EQ(broken_invariant(cache), std::nullopt);
  EXPECT_EQ(cache.known(prompt).idle, 3u);
  EXPECT_EQ(cache.room(), 4u);
  EXPECT_FALSE(cache.make_room(5));
  EXPECT_EQ(cache.pool().counts().cached, 3u) << "nothing is lost in vain";
  EXPECT_TRUE(cache.make_room(3));
  EXPECT_EQ(cache.pool().counts().free, 3u);
  EXPECT_EQ(cache.known(prompt).pages, 1u) << "the last go first";
  EXPECT_EQ(broken_invariant(cache), std::nullopt);
}

TEST(PrefixCache, HitsAsOftenAsBruteForceAtEveryCapacity) {
  for (uint64_t seed = 0; seed < 3; ++seed)
    for (const uint32_t pages : {1u, 2u, 3u, 5u, 8u, 13u, 40u, 100u, 250u, 2000u})
      expect_as_brute_force(conversations(seed), pages);
}

TEST(PrefixCache, HitsAsOftenAsBruteForceOnARealTrace) {
  BATON_NEED_SHARED(path, "traces/conversation_trace.jsonl");
  auto trace = bench::read_trace(path);
  ASSERT_TRUE(trace);
  trace->resize(300);
  for (const uint32_t pages : {1u, 10u, 60u, 250u, 900u, 2000u, 4000u, 8000u})
    expect_as_brute_force(*trace, pages);
}

TEST(PrefixCache, UnboundedItHitsWhatTheTraceAllows) {
  BATON_NEED_SHARED(path, "traces/conversation_trace.jsonl");
  const auto trace = bench::read_trace(path);
  ASSERT_TRUE(trace);
  std::set<uint64_t> seen;
  uint64_t blocks = 0, hits = 0;
  for (const auto& request : *trace) {
    bool all = true;
    for (const uint64_t block : request.blocks) hits += all = all && seen.contains(block);
    seen.insert(request.blocks.begin(), request.blocks.end());
    blocks += request.blocks.size();
  }
  const auto result = bench::replay(*trace, static_cast<uint32_t>(seen.size()), Eviction::credit);
  EXPECT_EQ(result.blocks, blocks);
  EXPECT_EQ(result.hits, hits);
  const double percent = 100.0 * static_cast<double>(hits) / static_cast<double>(blocks);
  EXPECT_NEAR(percent, 36.64, 0.005);
}

}  // namespace
}  // namespace baton::kvcache
