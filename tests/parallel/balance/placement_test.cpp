#include "parallel/balance/placement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "base/hash/counter_rng.h"
#include "parallel/balance/load_average.h"
#include "tests/support/seeds.h"

namespace baton::parallel {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;

std::vector<uint32_t> slots(const ExpertPlacement& placement) {
  const auto map = placement.physical_to_logical();
  return {map.begin(), map.end()};
}

// The load of each rank, and of the heaviest replica, if replicas share alike.
std::vector<double> rank_loads(const ExpertPlacement& placement, std::span<const float> loads) {
  std::vector<double> sums(placement.ranks());
  for (uint32_t slot = 0; slot < placement.slots(); ++slot) {
    const uint32_t expert = placement.expert_of(slot);
    sums[placement.rank_of(slot)] += double{loads[expert]} / placement.replicas_of(expert);
  }
  return sums;
}

double heaviest_replica(const ExpertPlacement& placement, std::span<const float> loads) {
  double most = 0;
  for (uint32_t expert = 0; expert < placement.experts(); ++expert) {
    most = std::max(most, double{loads[expert]} / placement.replicas_of(expert));
  }
  return most;
}

std::vector<float> random_loads(SeededRandom& random, uint32_t experts) {
  std::vector<float> loads(experts);
  const uint64_t scale = random.chance(0.3) ? 4 : 100'000;  // few values: many ties
  for (float& load : loads) {
    load = static_cast<float>(random.below(scale));
    if (random.chance(0.1)) load *= 50;
  }
  return loads;
}

PlacementShape random_shape(SeededRandom& random) {
  PlacementShape shape;
  shape.groups = 1 + static_cast<uint32_t>(random.below(8));
  shape.experts = shape.groups * (1 + static_cast<uint32_t>(random.below(8)));
  if (random.chance(0.2)) ++shape.experts;  // a shared expert that is routed
  shape.hosts = 1 + static_cast<uint32_t>(random.below(4));
  shape.ranks = shape.hosts * (1 + static_cast<uint32_t>(random.below(4)));
  const auto spare = static_cast<uint32_t>(random.below(shape.experts + 1));
  const uint32_t rank_slots = (shape.experts + spare + shape.ranks - 1) / shape.ranks;
  shape.slots = shape.ranks * rank_slots;
  return shape;
}

TEST(Placement, ReproducesThePublishedExample) {
  const std::vector<float> loads = {90, 132, 40,  61, 104, 165, 39,  4,   73,  56, 183, 86,
                                    20, 107, 104, 64, 19,  197, 187, 157, 172, 86, 16,  27};
  const PlacementShape shape{.experts = 12, .groups = 4, .slots = 16, .hosts = 2, .ranks = 8};
  EXPECT_TRUE(shape.hierarchical());
  const std::vector<ExpertPlacement> layers = {rebalance(std::span(loads).first(12), shape),
                                               rebalance(std::span(loads).last(12), shape)};
  EXPECT_THAT(slots(layers[0]), ElementsAre(5, 6, 5, 7, 8, 4, 3, 4, 10, 9, 10, 2, 0, 1, 11, 1));
  EXPECT_THAT(slots(layers[1]), ElementsAre(7, 10, 6, 8, 6, 11, 8, 9, 2, 4, 5, 1, 5, 0, 3, 1));
  EXPECT_THAT(layers[0].slots_of(5), ElementsAre(0, 2));
  EXPECT_EQ(layers[0].replicas_of(6), 1u);
  EXPECT_EQ(layers[0].rank_of(5), 2u);
  EXPECT_THAT(layers[0].experts_on(2), ElementsAre(8, 4));
}

TEST(Placement, TiesGoToTheLowestIndex) {
  // Equal loads: heaviest first is in order, the first spare slots are replicas of the first.
  const std::vector<float> equal(4, 3.0f);
  const PlacementShape shape{.experts = 4, .slots = 6, .ranks = 3};
  EXPECT_THAT(slots(rebalance(equal, shape)), ElementsAre(2, 0, 3, 1, 0, 1));
  EXPECT_THAT(slots(rebalance(std::vector<float>(4, 0.0f), shape)), ElementsAre(2, 0, 3, 1, 0, 1))
      << "no loads at all count as equal ones";
}

TEST(Placement, EveryExpertHasASlotAndEveryRankItsOwn) {
  for (uint64_t seed = 0; seed < testing::seeds(2000); ++seed) {
    SeededRandom random(seed);
    const PlacementShape shape = random_shape(random);
    auto loads = random_loads(random, shape.experts);
    if (random.chance(0.1)) std::fill(loads.begin(), loads.end(), 0.0f);
    const ExpertPlacement p = rebalance(loads, shape);
    ASSERT_EQ(p.slots(), shape.slots);
    ASSERT_EQ(p.ranks(), shape.ranks);
    ASSERT_EQ(p.experts(), shape.experts);
    std::set<uint32_t> seen;
    for (uint32_t expert = 0; expert < shape.experts; ++expert) {
      ASSERT_GE(p.replicas_of(expert), 1u) << seed;
      ASSERT_TRUE(std::is_sorted(p.slots_of(expert).begin(), p.slots_of(expert).end()));
      for (const uint32_t slot : p.slots_of(expert)) {
        ASSERT_EQ(p.expert_of(slot), expert);
        ASSERT_TRUE(seen.insert(slot).second);
      }
    }
    ASSERT_EQ(seen.size(), shape.slots);
    ASSERT_EQ(p, rebalance(loads, shape)) << "the same each time";
    // No rank is heavier than an even share by more than one replica: the packs are balanced.
    if (!shape.hierarchical()) {
      const auto by_rank = rank_loads(p, loads);
      const double mean = std::accumulate(by_rank.begin(), by_rank.end(), 0.0) / shape.ranks;
      const double most = *std::max_element(by_rank.begin(), by_rank.end());
      ASSERT_LE(most, (mean + heaviest_replica(p, loads)) * (1 + 1e-5)) << seed;
    }
  }
}

// What one host replicates it replicates as well as can be: spreading the spare slots alike leaves
// no lighter heaviest replica. With one slot a rank that is the load of the heaviest rank.
TEST(Placement, LoadsAreNoWorseThanTheEvenSplit) {
  for (uint64_t seed = 0; seed < testing::seeds(1000); ++seed) {
    SeededRandom random(seed);
    PlacementShape shape = random_shape(random);
    shape.groups = shape.hosts = 1;
    const auto loads = random_loads(random, shape.experts);
    const auto balanced = rebalance(loads, shape);
    const auto even = first_placement(shape);
    ASSERT_LE(heaviest_replica(balanced, loads), heaviest_replica(even, loads) * (1 + 1e-6));

    shape.ranks = shape.slots;
    const auto of_balanced = rank_loads(rebalance(loads, shape), loads);
    const auto of_even = rank_loads(first_placement(shape), loads);
    ASSERT_LE(*std::max_element(of_balanced.begin(), of_balanced.end()),
              *std::max_element(of_even.begin(), of_even.end()) * (1 + 1e-6));
  }
}

TEST(Placement, HierarchicalKeepsAGroupOnOneHost) {
  for (uint64_t seed = 0; seed < testing::seeds(1000); ++seed) {
    SeededRandom random(seed);
    const PlacementShape shape = random_shape(random);
    if (!shape.hierarchical()) continue;
    const auto p = rebalance(random_loads(random, shape.experts), shape);
    const uint32_t group_size = shape.experts / shape.groups;
    const uint32_t host_slots = shape.slots / shape.hosts;
    std::vector<std::set<uint32_t>> groups_of_host(shape.hosts);
    for (uint32_t slot = 0; slot < shape.slots; ++slot) {
      groups_of_host[slot / host_slots].insert(p.expert_of(slot) / group_size);
    }
    std::set<uint32_t> all;
    for (const auto& groups : groups_of_host) {
      EXPECT_EQ(groups.size(), shape.groups / shape.hosts) << "as many on each host";
      all.insert(groups.begin(), groups.end());
    }
    EXPECT_EQ(all.size(), shape.groups) << "so no group is on two";
  }
}

TEST(Placement, TheReportsUnits) {
  const ModelShape v3{.heads = 128, .routed_experts = 256, .shared_experts = 1, .expert_groups = 8};
  SeededRandom random(7);
  const Layout prefill{.tp = 4, .dp = 8, .redundant = 32, .ranks_per_host = 8};
  const PlacementShape p = placement_shape(prefill, v3);
  EXPECT_TRUE(p.hierarchical());
  EXPECT_EQ(rebalance(random_loads(random, 256), p).slots_per_rank(), 9u);

  // Decode: one slot a rank, so slots keep their order, and the shared expert has most replicas.
  const Layout decode{.tp = 4, .dp = 80, .redundant = 63, .shared = SharedExpert::routed};
  const PlacementShape d = placement_shape(decode, v3);
  EXPECT_EQ(d.slots, 320u);
  EXPECT_FALSE((PlacementShape{.experts = 257, .groups = 8, .slots = 320, .hosts = 40, .ranks = 320}
                    .hierarchical()));
  std::vector<float> loads(257, 8.0f);  // 256 tokens, eight routed experts each
  loads[256] = 256.0f;
  const auto placement = rebalance(loads, d);
  for (uint32_t expert = 0; expert < 257; ++expert) {
    EXPECT_EQ(placement.expert_of(expert), expert);
  }
  EXPECT_EQ(placement.replicas_of(256), 32u) << "then a replica is no heavier than the others";
  EXPECT_EQ(placement.replicas_of(0), 2u);
}

TEST(Placement, TheSmallestAndTheOddest) {
  const std::vector<float> one = {5};
  EXPECT_THAT(slots(rebalance(one, {})), ElementsAre(0));
  EXPECT_THAT(slots(rebalance(one, {.slots = 3, .ranks = 3})), ElementsAre(0, 0, 0));
  EXPECT_THAT(slots(rebalance(one, {.slots = 4, .hosts = 2, .ranks = 2})), ElementsAre(0, 0, 0, 0));
  const std::vector<float> lone = {0, 9, 0};
  EXPECT_THAT(slots(rebalance(lone, {.experts = 3, .slots = 5, .ranks = 5})),
              ElementsAre(0, 1, 2, 1, 1));
}

TEST(Placement, RearrangingKeepsEachHostsExpertsAndLevelsItsRanks) {
  // Two hosts of two ranks; on each host the two heavy experts lie on one rank.
  const ExpertPlacement active({0, 1, 2, 3, 4, 5, 6, 0}, 7, 4);
  const std::vector<float> loads = {20, 10, 1, 1, 8, 8, 2};
  const ExpertPlacement there = rearrange(active, loads, 2);
  for (uint32_t host = 0; host < 2; ++host) {
    const auto was = active.physical_to_logical().subspan(host * 4, 4);
    const auto is = there.physical_to_logical().subspan(host * 4, 4);
    EXPECT_TRUE(std::ranges::is_permutation(was, is)) << host;
  }
  std::vector<double> before(4), after(4);
  loads_of_ranks(active, loads, before);
  loads_of_ranks(there, loads, after);
  EXPECT_THAT(before, ElementsAre(20, 2, 16, 12));
  EXPECT_THAT(after, ElementsAre(11, 11, 12, 16));
}

TEST(Placement, TheFirstOneIsInOrderWithSparesRoundRobin) {
  EXPECT_THAT(slots(first_placement({.experts = 5, .slots = 12, .ranks = 4})),
              ElementsAre(0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1));
  std::vector<uint32_t> in_order(256);
  std::iota(in_order.begin(), in_order.end(), 0u);
  EXPECT_THAT(slots(first_placement({.experts = 256, .slots = 256, .ranks = 32})),
              ElementsAreArray(in_order));
}

TEST(Placement, TheFirstOneKeepsGroupsOnTheirHosts) {
  EXPECT_THAT(
      slots(first_placement({.experts = 8, .groups = 2, .slots = 12, .hosts = 2, .ranks = 4})),
      ElementsAre(0, 1, 2, 3, 0, 1, 4, 5, 6, 7, 4, 5));
}

// Until loads are known, no rank computes the shared expert for all tokens alone.
TEST(Placement, TheFirstOneHasReplicasOfARoutedSharedExpert) {
  const Layout decode{.tp = 4, .dp = 80, .redundant = 63, .shared = SharedExpert::routed};
  const ModelShape v3{
      .heads = 128, .routed_experts = 256, .shared_experts = 1, .experts_per_token = 8};
  const ExpertPlacement first = first_placement(placement_shape(decode, v3));
  EXPECT_EQ(first.replicas_of(256), 32u);
  EXPECT_EQ(first.replicas_of(0), 2u);
  EXPECT_EQ(first.replicas_of(255), 1u);
  std::vector<float> loads(257, 1.0f);
  loads[256] = 32.0f;
  EXPECT_LT(imbalance(first, loads), 1.12);
}

TEST(Placement, EpochsAreCarried) {
  const auto p = first_placement({.experts = 2, .slots = 2});
  EXPECT_EQ(p.epoch(), 0u);
  EXPECT_EQ(p.with_epoch(7).epoch(), 7u);
  EXPECT_NE(p.with_epoch(7), p);
  EXPECT_THAT(p.with_epoch(7).physical_to_logical(), ElementsAre(0, 1));
}

TEST(PlacementDeathTest, WhatIsNoPlacementIsADefect) {
  EXPECT_DEATH(ExpertPlacement({0, 1, 1}, 3, 1), "every expert has a slot");
  EXPECT_DEATH(ExpertPlacement({0, 1, 2}, 2, 1), "expert of the model");
  EXPECT_DEATH(ExpertPlacement({0, 1, 1}, 2, 2), "same number of slots");
  EXPECT_DEATH(first_placement({.experts = 4, .slots = 3}), "slot for every expert");
  EXPECT_DEATH(rebalance(std::vector<float>{1, -1}, {.experts = 2, .slots = 2}), "not negative");
}

}  // namespace
}  // namespace baton::parallel
