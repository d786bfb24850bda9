#include "scheduler/fair_share.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/hash/counter_rng.h"

namespace baton::scheduler {
namespace {

TEST(FairShare, ALowerPriorityNumberGoesFirstAndWaitingCounts) {
  const FairShare fair;
  EXPECT_TRUE(fair.before({.priority = -1}, {.priority = 0}));
  EXPECT_FALSE(fair.before({.priority = 1}, {.priority = 0}));
  EXPECT_TRUE(fair.before({.priority = 1, .waited = 10s}, {.priority = 0})) << "two levels";
  EXPECT_TRUE(fair.before({.waited = 2s}, {.waited = 1s})) << "the older one";
  EXPECT_TRUE(fair.before({.arrival = 1}, {.arrival = 2}));
}

TEST(FairShare, NobodyWaitsForEver) {
  // The least urgent number there is, against the most urgent one that has just come.
  EXPECT_LT(effective_priority(INT32_MAX, 90s), effective_priority(INT32_MIN, 0s));
}

TEST(FairShare, TheTenantThatGotLessGoesFirst) {
  FairShare fair;
  fair.enter("a");
  fair.enter("b");
  fair.charge("a", 100);
  EXPECT_TRUE(fair.before({.tenant = "b", .arrival = 9}, {.waited = 4s, .tenant = "a"}));
  fair.charge("b", 101);
  EXPECT_TRUE(fair.before({.tenant = "a"}, {.tenant = "b"}));
  fair.refund("b", 50);
  EXPECT_TRUE(fair.before({.tenant = "b"}, {.tenant = "a"}));
  EXPECT_TRUE(fair.before({.priority = -1, .tenant = "a"}, {.tenant = "b"})) << "priority first";
}

TEST(FairShare, IdleTimeEarnsNothing) {
  FairShare fair;
  fair.enter("busy");
  fair.charge("busy", 1000);
  fair.enter("back");  // level with whoever is there
  fair.charge("back", 1);
  EXPECT_TRUE(fair.before({.tenant = "busy"}, {.tenant = "back"}));
  fair.leave("busy");
  fair.leave("back");
  fair.enter("next");
  fair.enter("busy");
  EXPECT_FALSE(fair.before({.tenant = "next"}, {.tenant = "busy"})) << "both begin level";
  EXPECT_FALSE(fair.before({.tenant = "busy"}, {.tenant = "next"}));
}

// One tenant floods the queue, two others ask now and then: each gets its third.
TEST(FairShare, AFloodTakesItsShareAndNoMore) {
  struct Waiting {
    std::string tenant;
    uint64_t arrival;
  };
  FairShare fair;
  std::vector<Waiting> queue;
  std::map<std::string, uint64_t> served;
  SeededRandom random(1);
  uint64_t arrivals = 0;
  const auto add = [&](const char* tenant) {
    fair.enter(tenant);
    queue.push_back({tenant, arrivals++});
  };
  for (int i = 0; i < 500; ++i) add("flood");
  for (int turn = 0; turn < 600; ++turn) {
    for (const char* tenant : {"x", "y"}) {
      const auto own = std::ranges::count(queue, tenant, &Waiting::tenant);
      if (own < 2) add(tenant);
    }
    const auto first = std::ranges::min_element(queue, [&](const Waiting& a, const Waiting& b) {
      return fair.before({.tenant = a.tenant, .arrival = a.arrival},
                         {.tenant = b.tenant, .arrival = b.arrival});
    });
    const uint64_t tokens = 1 + random.below(100);
    fair.charge(first->tenant, tokens);
    served[first->tenant] += tokens;
    if (first->tenant != "flood") {
      fair.leave(first->tenant);
      queue.erase(first);
    }
  }
  const double all = static_cast<double>(served["flood"] + served["x"] + served["y"]);
  for (const auto& [tenant, tokens] : served) {
    EXPECT_NEAR(static_cast<double>(tokens) / all, 1.0 / 3, 0.02) << tenant;
  }
}

TEST(FairShareDeathTest, WhoNeverCameCantLeave) {
  FairShare fair;
  EXPECT_DEATH(fair.leave("a"), "never came");
}

}  // namespace
}  // namespace baton::scheduler
