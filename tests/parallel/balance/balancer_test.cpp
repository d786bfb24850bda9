#include "parallel/balance/balancer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>

#include "base/hash/counter_rng.h"
#include "tests/support/seeds.h"

namespace baton::parallel {
namespace {

const PlacementShape kShape{.experts = 8, .groups = 2, .slots = 12, .hosts = 2, .ranks = 4};

// The ranks of an instance: they hold experts, load them slowly, and count what comes.
class Ranks {
 public:
  Ranks(const PlacementShape& shape, uint32_t layers, const BalanceLimits& limits)
      : balancer(shape, layers, limits), shape_(shape), counts_(layers) {
    for (uint32_t layer = 0; layer < layers; ++layer) {
      const auto slots = balancer.active(layer).physical_to_logical();
      held_.emplace_back(slots.begin(), slots.end());
      counts_[layer].assign(shape.slots, 0);
    }
  }

  // One step in which expert e of each layer gets tokens[e], all from its first replica.
  void step(const std::vector<uint32_t>& tokens) {
    orders = balancer.begin_step(now);
    follow();
    for (size_t layer = 0; layer < held_.size(); ++layer) {
      for (uint32_t e = 0; e < tokens.size(); ++e) {
        counts_[layer][balancer.active(layer).slots_of(e).front()] += tokens[e];
      }
    }
    for (uint32_t rank = 0; rank < shape_.ranks; ++rank) {
      if (orders.asks(rank)) balancer.heard(rank, report(rank));
    }
    balancer.end_step();
    now += 1ms;
  }

  Balancer balancer;
  BalanceOrders orders;
  Instant now{};
  bool fails = false;  // nothing can be loaded
  uint32_t switches = 0;
  uint32_t slow_steps = 0;  // that a move takes

 private:
  struct Loading {
    SlotMove move;
    uint32_t left;
  };

  void follow() {
    if (orders.switched) {
      ++switches;
      const auto& [layer, placement] = *orders.switched;
      for (uint32_t slot = 0; slot < shape_.slots; ++slot) {
        const uint32_t expert = placement.expert_of(slot);
        if (held_[layer][slot] == expert) continue;
        EXPECT_EQ(spare_[slot].expert, expert) << "what is active is loaded";
        EXPECT_EQ(spare_[slot].epoch, placement.epoch());
        held_[layer][slot] = expert;
      }
      for (const uint32_t count : counts_[layer]) {
        EXPECT_EQ(count, 0u) << "counts of one placement are not told as another's";
      }
    }
    for (const SlotMove& move : orders.moves) loading_.push_back({move, slow_steps});
  }

  BalanceReport report(uint32_t rank) {
    BalanceReport report;
    const uint32_t slots = shape_.slots / shape_.ranks;
    if (orders.report) {
      for (auto& counts : counts_) {
        for (uint32_t slot = rank * slots; slot < (rank + 1) * slots; ++slot) {
          report.tokens.push_back(std::exchange(counts[slot], 0));
        }
      }
    }
    std::erase_if(loading_, [&](Loading& l) {
      if (l.move.slot / slots != rank || l.left-- > 0) return false;
      if (!fails) spare_[l.move.slot] = l.move;
      (fails ? report.failed : report.loaded).push_back(l.move);
      return true;
    });
    return report;
  }

  PlacementShape shape_;
  std::vector<std::vector<uint32_t>> held_;  // [layers, slots]
  std::map<uint32_t, SlotMove> spare_;       // by slot
  std::vector<std::vector<uint32_t>> counts_;
  std::deque<Loading> loading_;
};

const std::vector<uint32_t> kSkewed = {1, 1, 90, 1, 1, 40, 1, 30};
const std::vector<uint32_t> kNone(8, 0);

TEST(Balancer, LevelsTheRanksOnceThePeriodIsOver) {
  Ranks ranks(kShape, 2, {.period = 1s, .report_steps = 4});
  EXPECT_TRUE(ranks.balancer.settled());
  while (ranks.now < Instant(999ms)) ranks.step(kSkewed);
  EXPECT_EQ(ranks.switches, 0u);
  EXPECT_EQ(ranks.balancer.view().plans, 0u);
  const double before = ranks.balancer.view().imbalance[1];
  while (ranks.now < Instant(1100ms)) ranks.step(kSkewed);
  EXPECT_EQ(ranks.balancer.view().plans, 1u);
  EXPECT_EQ(ranks.switches, 2u) << "both layers";
  EXPECT_TRUE(ranks.balancer.settled());
  EXPECT_LT(ranks.balancer.view().imbalance[1], before - 0.3);
  EXPECT_EQ(ranks.balancer.view().layers_switched, 2u);
  EXPECT_GT(ranks.balancer.view().slots_moved, 2u);
  EXPECT_EQ(ranks.balancer.active(0).replicas_of(2), 3u) << "the heaviest";

  while (ranks.now < Instant(2100ms)) ranks.step(kSkewed);
  EXPECT_EQ(ranks.balancer.view().plans, 2u);
  EXPECT_EQ(ranks.switches, 2u) << "what is level stays";
}

TEST(Balancer, PlansOnDemandAlsoWithoutLoad) {
  Ranks ranks(kShape, 1, {.period = Duration::zero(), .report_steps = 1});
  for (int i = 0; i < 5; ++i) ranks.step(kSkewed);
  ranks.balancer.rebalance();
  EXPECT_FALSE(ranks.balancer.settled());
  for (int i = 0; i < 20 && !ranks.balancer.settled(); ++i) ranks.step(kNone);
  EXPECT_TRUE(ranks.balancer.settled());
  EXPECT_EQ(ranks.switches, 1u);
  EXPECT_GT(ranks.balancer.active(0).epoch(), 0u);

  Ranks fresh(kShape, 1, {});
  fresh.balancer.rebalance();
  fresh.step(kNone);
  EXPECT_FALSE(fresh.balancer.settled()) << "it hears first what has come to the slots";
  fresh.step(kNone);
  EXPECT_TRUE(fresh.balancer.settled());
  EXPECT_TRUE(fresh.orders.moves.empty()) << "nothing is known of the loads";
}

TEST(Balancer, ADemandPlansByAllThatHasComeReportedOrNot) {
  Ranks ranks(kShape, 1, {.period = Duration::zero(), .report_steps = 1000});
  for (int i = 0; i < 5; ++i) ranks.step(kSkewed);
  ranks.balancer.rebalance();
  for (int i = 0; i < 20 && !ranks.balancer.settled(); ++i) ranks.step(kNone);
  EXPECT_EQ(ranks.switches, 1u);
}

TEST(Balancer, DemandsWhileItIsUnderWayAreOne) {
  Ranks ranks(kShape, 2, {.period = Duration::zero(), .report_steps = 1});
  ranks.slow_steps = 3;
  ranks.step(kSkewed);
  ranks.balancer.rebalance();
  for (int i = 0; i < 200 && !ranks.balancer.settled(); ++i) {
    ranks.balancer.rebalance();
    ranks.step(kNone);
  }
  EXPECT_TRUE(ranks.balancer.settled());
  EXPECT_EQ(ranks.balancer.view().plans, 1u);
}

TEST(Balancer, RearrangesInsideHostsInBetween) {
  Ranks ranks(kShape, 1, {.period = 10s, .rearrange_period = 100ms, .report_steps = 1});
  const auto hosts = [&] {
    std::vector<std::vector<uint32_t>> all;
    for (uint32_t host = 0; host < 2; ++host) {
      const auto slots = ranks.balancer.active(0).physical_to_logical().subspan(host * 6, 6);
      auto& sorted = all.emplace_back(slots.begin(), slots.end());
      std::ranges::sort(sorted);
    }
    return all;
  };
  const auto before = hosts();
  const std::vector<uint32_t> skewed = {40, 0, 50, 0, 10, 0, 0, 0};
  while (ranks.now < Instant(200ms)) ranks.step(skewed);
  EXPECT_EQ(ranks.switches, 1u);
  EXPECT_EQ(hosts(), before) << "no expert goes to another host";
}

TEST(Balancer, WhatCantBeLoadedWaitsForTheNextPlan) {
  Ranks ranks(kShape, 1, {.period = 50ms, .report_steps = 1});
  ranks.fails = true;
  while (ranks.now < Instant(60ms)) ranks.step(kSkewed);
  EXPECT_GT(ranks.balancer.view().moves_failed, 0u);
  EXPECT_EQ(ranks.switches, 0u);
  EXPECT_TRUE(ranks.balancer.settled());
  ranks.fails = false;
  while (ranks.now < Instant(120ms)) ranks.step(kSkewed);
  EXPECT_EQ(ranks.switches, 1u);
}

TEST(Balancer, CountsEveryRowOnce) {
  Ranks ranks(kShape, 2, {.period = 30ms, .report_steps = 7, .window = 2});
  uint64_t rows = 0;
  for (int i = 0; i < 200; ++i) {
    std::vector<uint32_t> tokens(8);
    for (uint32_t e = 0; e < 8; ++e) {
      tokens[e] = static_cast<uint32_t>(i / 40 == static_cast<int>(e) ? 50 : 1);
      rows += tokens[e];
    }
    ranks.step(tokens);
  }
  ranks.balancer.rebalance();
  while (!ranks.orders.report) ranks.step(kNone);
  EXPECT_EQ(ranks.balancer.view().tokens, (std::vector<uint64_t>{rows, rows}));
  EXPECT_GE(ranks.switches, 2u);
}

TEST(Balancer, HoldsItsInvariantsWhateverTheLoad) {
  for (uint64_t seed = 0; seed < testing::seeds(200); ++seed) {
    SCOPED_TRACE(seed);
    SeededRandom random(seed);
    PlacementShape shape{.experts = 1 + static_cast<uint32_t>(random.below(12)),
                         .hosts = 1 + static_cast<uint32_t>(random.below(2))};
    shape.ranks = shape.hosts * (1 + static_cast<uint32_t>(random.below(3)));
    shape.slots =
        (shape.experts / shape.ranks + 1 + static_cast<uint32_t>(random.below(2))) * shape.ranks;
    Ranks ranks(shape, static_cast<uint32_t>(random.below(4)),
                {.period = random.chance(0.5) ? 40ms : 0ms,
                 .rearrange_period = random.chance(0.5) ? 9ms : 0ms,
                 .report_steps = 1 + static_cast<uint32_t>(random.below(9)),
                 .window = 1 + static_cast<uint32_t>(random.below(20)),
                 .moves_max = 1 + static_cast<uint32_t>(random.below(3)),
                 .gain_min = 0});
    std::vector<uint32_t> tokens(shape.experts);
    for (int step = 0; step < 150; ++step) {
      ranks.slow_steps = static_cast<uint32_t>(random.below(4));
      ranks.fails = random.chance(0.1);
      if (random.chance(0.05)) ranks.balancer.rebalance();
      if (random.chance(0.1)) {
        for (uint32_t& count : tokens) count = static_cast<uint32_t>(random.below(30));
      }
      ranks.step(tokens);
    }
    ranks.fails = false;
    for (int step = 0; step < 300 && !ranks.balancer.settled(); ++step) ranks.step(tokens);
    ASSERT_TRUE(ranks.balancer.settled());
    if (::testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace baton::parallel
