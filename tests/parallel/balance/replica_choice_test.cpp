#include "parallel/balance/replica_choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/hash/counter_rng.h"
#include "tests/support/seeds.h"

namespace baton::parallel {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;

using Slots = std::vector<uint32_t>;

Slots choose(const ReplicaChoice& choice, const std::vector<uint32_t>& experts) {
  Slots slots(experts.size());
  std::vector<uint32_t> turns(choice.experts());
  choice.choose(experts, turns, slots);
  return slots;
}

const Topology kFourRanks(Layout{.dp = 4, .ranks_per_host = 2});

TEST(ReplicaChoice, TheNearestReplicaGoesFirst) {
  // Expert 0 is on ranks 0, 2 and 3; expert 1 on rank 1.
  const ExpertPlacement placement({0, 1, 0, 0}, 2, 4);
  const auto of = [&](uint32_t rank, Nearness nearness) {
    return choose(ReplicaChoice(placement, kFourRanks, rank, nearness), {0, 0, 0, 0, 1});
  };
  EXPECT_THAT(of(0, Nearness::any_host), ElementsAre(0, 0, 0, 0, 1)) << "its own";
  EXPECT_THAT(of(2, Nearness::any_host), ElementsAre(2, 2, 2, 2, 1));
  EXPECT_THAT(of(1, Nearness::any_host), ElementsAre(2, 3, 0, 2, 1)) << "in turn, from its rank on";
  EXPECT_THAT(of(1, Nearness::own_host), ElementsAre(0, 0, 0, 0, 1)) << "its host's";
}

TEST(ReplicaChoice, TwoReplicasOnTheOwnRankShare) {
  const ExpertPlacement placement({0, 0, 0, 1}, 2, 2);
  const Topology two(Layout{.dp = 2});
  EXPECT_THAT(choose(ReplicaChoice(placement, two, 0, Nearness::any_host), {0, 0, 0}),
              ElementsAre(0, 1, 0));
}

TEST(ReplicaChoice, TurnsGoOnThroughTheMicroBatchesOfAStep) {
  const ExpertPlacement placement({1, 1, 0, 0}, 2, 4);
  const ReplicaChoice choice(placement, kFourRanks, 0, Nearness::any_host);
  std::vector<uint32_t> turns(2);
  Slots slots(1);
  choice.choose(Slots{0}, turns, slots);
  EXPECT_THAT(slots, ElementsAre(2));
  choice.choose(Slots{0}, turns, slots);
  EXPECT_THAT(slots, ElementsAre(3));
  EXPECT_THAT(turns, ElementsAre(2, 0));
  EXPECT_EQ(choose(choice, {}).size(), 0u) << "a rank without rows";
}

TEST(ReplicaChoice, ServesOneEpoch) {
  const auto placement = first_placement({.experts = 2, .slots = 4, .ranks = 4}).with_epoch(5);
  EXPECT_EQ(ReplicaChoice(placement, kFourRanks, 0, Nearness::any_host).epoch(), 5u);
}

// Over random placements and rows: the slot holds the expert, is as near as there is one, and the
// rows that a source gives to the replicas of an expert differ by one at most.
TEST(ReplicaChoice, IsRightNearAndLevel) {
  for (uint64_t seed = 0; seed < testing::seeds(300); ++seed) {
    SeededRandom random(seed);
    const uint32_t hosts = 1 + random.below(3), hosted = 1 + random.below(3);
    const Topology topology(Layout{.dp = hosts * hosted, .ranks_per_host = hosted});
    const uint32_t experts = 1 + random.below(12);
    const uint32_t rank_slots = (experts + topology.ranks() - 1) / topology.ranks() + 1;
    std::vector<float> loads(experts);
    for (float& load : loads) load = static_cast<float>(random.below(100));
    const auto p = rebalance(
        loads,
        {.experts = experts, .slots = rank_slots * topology.ranks(), .ranks = topology.ranks()});
    std::vector<uint32_t> rows(random.below(200));
    for (uint32_t& row : rows) row = static_cast<uint32_t>(random.below(experts));
    for (uint32_t source = 0; source < topology.ranks(); ++source) {
      for (const auto nearness : {Nearness::any_host, Nearness::own_host}) {
        const ReplicaChoice choice(p, topology, source, nearness);
        const Slots chosen = choose(choice, rows);
        ASSERT_EQ(chosen, choose(choice, rows)) << "the same each time";
        std::map<uint32_t, std::map<uint32_t, int>> used;  // by expert, by slot
        for (size_t i = 0; i < rows.size(); ++i) {
          ASSERT_EQ(p.expert_of(chosen[i]), rows[i]);
          ++used[rows[i]][chosen[i]];
        }
        for (const auto& [expert, by_slot] : used) {
          const auto replicas = p.slots_of(expert);
          const auto count_near = [&](auto near) {
            return std::count_if(replicas.begin(), replicas.end(),
                                 [&](uint32_t slot) { return near(p.rank_of(slot)); });
          };
          const auto own = count_near([&](uint32_t rank) { return rank == source; });
          const auto local = count_near([&](uint32_t r) { return topology.same_host(r, source); });
          const bool stays = nearness == Nearness::own_host && local > 0;
          const size_t candidates = own > 0 ? own : stays ? local : replicas.size();
          int least = by_slot.size() == candidates ? 1 << 30 : 0, most = 0;
          for (const auto& [slot, count] : by_slot) {
            const uint32_t rank = p.rank_of(slot);
            EXPECT_TRUE(own == 0 || rank == source);
            EXPECT_TRUE(!stays || topology.same_host(rank, source));
            least = std::min(least, count);
            most = std::max(most, count);
          }
          ASSERT_LE(most - least, 1) << seed;
          ASSERT_LE(by_slot.size(), candidates);
        }
      }
    }
  }
}

// Decode at the report's size: each of 320 ranks has few tokens, and every token wants the shared
// expert. Its replicas get the same number of rows though no rank knows of another.
TEST(ReplicaChoice, SourcesWithFewRowsLevelTheSharedExpert) {
  const Layout layout{.tp = 4, .dp = 80, .redundant = 63, .shared = SharedExpert::routed};
  const Topology topology(layout);
  std::vector<float> loads(257, 8.0f);
  loads[256] = 256.0f;
  const auto p = rebalance(loads, placement_shape(layout, {.heads = 128, .routed_experts = 256}));
  const auto shared = p.slots_of(256);
  std::map<uint32_t, uint32_t> rows;
  for (uint32_t source = 0; source < topology.ranks(); ++source) {
    for (const uint32_t slot :
         choose(ReplicaChoice(p, topology, source, Nearness::any_host), {256, 256})) {
      EXPECT_THAT(shared, Contains(slot));
      ++rows[slot];
    }
  }
  ASSERT_EQ(rows.size(), shared.size());
  const double mean = 640.0 / static_cast<double>(shared.size());
  for (const auto& [slot, count] : rows) EXPECT_LE(count, 1.25 * mean) << slot;
}

TEST(ReplicaChoiceDeathTest, AnotherInstancesPlacementIsADefect) {
  const auto placement = first_placement({.experts = 2, .slots = 2, .ranks = 2});
  EXPECT_DEATH(ReplicaChoice(placement, kFourRanks, 0, Nearness::any_host), "one instance");
}

}  // namespace
}  // namespace baton::parallel
