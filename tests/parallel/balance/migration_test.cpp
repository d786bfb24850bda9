#include "parallel/balance/migration.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/hash/counter_rng.h"
#include "parallel/topology.h"
#include "tests/support/seeds.h"

namespace baton::parallel {
namespace {

using ::testing::ElementsAre;

std::vector<uint32_t> sorted_experts(const ExpertPlacement& placement, uint32_t rank) {
  const auto experts = placement.experts_on(rank);
  std::vector<uint32_t> sorted(experts.begin(), experts.end());
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

TEST(KeepInPlace, ExpertsThatStayOnARankStayInTheirSlots) {
  const ExpertPlacement active({0, 1, 2, 3, 4, 5}, 6, 2);
  const ExpertPlacement target({2, 0, 5, 4, 1, 3}, 6, 2);
  EXPECT_THAT(keep_in_place(active, target).physical_to_logical(), ElementsAre(0, 5, 2, 3, 4, 1));
  const ExpertPlacement twice({1, 1, 0, 2}, 3, 2);
  EXPECT_THAT(keep_in_place(ExpertPlacement({0, 1, 1, 2}, 3, 2), twice).physical_to_logical(),
              ElementsAre(1, 1, 0, 2));
}

TEST(RenameRanks, WhoHasMostInCommonTakesThePlace) {
  const ExpertPlacement active({0, 1, 2, 3, 4, 5}, 6, 3);
  const ExpertPlacement target({5, 3, 1, 0, 2, 4}, 6, 3);
  // {0, 1} stays; {5, 3} and {2, 4} have as much in common with either place: who is there stays.
  EXPECT_THAT(rename_ranks(active, target, 1).physical_to_logical(), ElementsAre(1, 0, 5, 3, 2, 4));
  EXPECT_EQ(rename_ranks(active, active, 3), active);
}

TEST(RenameRanks, RanksStayOnTheirHostsAndHostsAreRenamedFirst) {
  const ExpertPlacement active({0, 1, 2, 3, 4, 5, 6, 7}, 8, 4);
  const ExpertPlacement swapped({6, 7, 5, 4, 2, 3, 1, 0}, 8, 4);
  EXPECT_THAT(rename_ranks(active, swapped, 2).physical_to_logical(),
              ElementsAre(1, 0, 2, 3, 5, 4, 6, 7));
  const ExpertPlacement across({0, 4, 1, 5, 2, 6, 3, 7}, 8, 4);
  const auto there = rename_ranks(active, across, 2);
  EXPECT_THAT(sorted_experts(there, 0), ElementsAre(0, 4));
  EXPECT_THAT(sorted_experts(there, 1), ElementsAre(1, 5)) << "not on the other host";
}

// Whatever the placements: the same sets of experts, and each host's sets on one host.
TEST(RenameRanks, KeepsTheSetsOfEachHost) {
  for (uint64_t seed = 0; seed < testing::seeds(500); ++seed) {
    SCOPED_TRACE(seed);
    SeededRandom random(seed);
    PlacementShape shape{.experts = 4 + static_cast<uint32_t>(random.below(12)),
                         .hosts = 1 + static_cast<uint32_t>(random.below(3))};
    shape.ranks = shape.hosts * (1 + static_cast<uint32_t>(random.below(3)));
    shape.slots = (shape.experts / shape.ranks + 1) * shape.ranks;
    std::vector<float> loads(shape.experts);
    for (float& load : loads) load = static_cast<float>(random.below(50));
    const ExpertPlacement wanted = rebalance(loads, shape);
    const ExpertPlacement renamed = rename_ranks(first_placement(shape), wanted, shape.hosts);
    using Sets = std::vector<std::vector<uint32_t>>;
    const auto hosts = [&](const ExpertPlacement& placement) {
      std::vector<Sets> all(shape.hosts);
      for (uint32_t rank = 0; rank < shape.ranks; ++rank) {
        all[rank / (shape.ranks / shape.hosts)].push_back(sorted_experts(placement, rank));
      }
      for (Sets& sets : all) std::ranges::sort(sets);
      std::ranges::sort(all);
      return all;
    };
    ASSERT_EQ(hosts(renamed), hosts(wanted));
  }
}

TEST(Migration, IsCompleteOnceAllIsLoaded) {
  const ExpertPlacement active({0, 1, 2, 3}, 4, 2);
  Migration migration(5, active, ExpertPlacement({0, 3, 2, 1}, 4, 2, 7), 1);
  EXPECT_FALSE(migration.complete());
  EXPECT_FALSE(migration.awaits(0)) << "nothing has begun";
  const auto begun = migration.begin();
  ASSERT_EQ(begun.size(), 2u) << "one a rank";
  const SlotMove there = begun[0], back = begun[1];
  EXPECT_EQ(there, (SlotMove{.layer = 5, .slot = 1, .expert = 3, .epoch = 7}));
  EXPECT_EQ(back, (SlotMove{.layer = 5, .slot = 3, .expert = 1, .epoch = 7}));
  EXPECT_TRUE(migration.begin().empty());
  EXPECT_TRUE(migration.loaded(there));
  EXPECT_FALSE(migration.loaded(there)) << "no news";
  EXPECT_FALSE(migration.awaits(0));
  EXPECT_TRUE(migration.awaits(1));
  SlotMove late = back;
  late.epoch = 6;
  EXPECT_FALSE(migration.loaded(late)) << "of another epoch";
  EXPECT_FALSE(migration.complete());
  EXPECT_TRUE(migration.loaded(back));
  EXPECT_TRUE(migration.complete());
}

TEST(Migration, WhereNothingMovesItIsComplete) {
  const ExpertPlacement active({0, 1}, 2, 2);
  EXPECT_TRUE(Migration(0, active, active.with_epoch(1), 1).complete());
}

TEST(MigrationDeathTest, EpochsGrow) {
  const ExpertPlacement active({0, 1}, 2, 2, 4);
  EXPECT_DEATH(Migration(0, active, ExpertPlacement({1, 0}, 2, 2, 4), 1), "epochs grow");
}

// Ranks that load in any order and speak twice.
TEST(Migration, ArrivesWithinItsBounds) {
  for (uint64_t seed = 0; seed < testing::seeds(1000); ++seed) {
    SCOPED_TRACE(seed);
    SeededRandom random(seed);
    PlacementShape shape{.experts = 1 + static_cast<uint32_t>(random.below(12)),
                         .ranks = 1 + static_cast<uint32_t>(random.below(6))};
    shape.slots =
        (shape.experts / shape.ranks + 1 + static_cast<uint32_t>(random.below(2))) * shape.ranks;
    std::vector<float> loads(shape.experts);
    for (float& load : loads) load = static_cast<float>(random.below(50));
    const ExpertPlacement active = first_placement(shape);
    const ExpertPlacement wanted = rebalance(loads, shape);
    const auto moves_max = 1 + static_cast<uint32_t>(random.below(3));
    Migration migration(0, active, keep_in_place(active, wanted).with_epoch(1), moves_max);
    const auto was = active.physical_to_logical();
    std::vector<uint32_t> held(was.begin(), was.end());
    std::vector<SlotMove> loading;
    uint32_t steps = 0;
    for (; steps < 1000 && !migration.complete(); ++steps) {
      for (const SlotMove& move : migration.begin()) {
        ASSERT_NE(held[move.slot], move.expert) << "no move without need";
        loading.push_back(move);
      }
      ASSERT_FALSE(loading.empty()) << "there is always something to do";
      std::vector<uint32_t> arriving(shape.ranks);
      for (const SlotMove& move : loading) {
        ASSERT_LE(++arriving[active.rank_of(move.slot)], moves_max);
      }
      for (uint32_t rank = 0; rank < shape.ranks; ++rank) {
        ASSERT_EQ(migration.awaits(rank), arriving[rank] > 0);
      }
      std::erase_if(loading, [&](const SlotMove& move) {
        if (random.chance(0.4)) return false;
        held[move.slot] = move.expert;
        EXPECT_TRUE(migration.loaded(move));
        EXPECT_FALSE(random.chance(0.2) && migration.loaded(move));
        return true;
      });
    }
    ASSERT_TRUE(migration.complete());
    ASSERT_TRUE(std::ranges::equal(held, migration.target().physical_to_logical()));
    for (uint32_t rank = 0; rank < shape.ranks; ++rank) {
      ASSERT_EQ(sorted_experts(migration.target(), rank), sorted_experts(wanted, rank));
    }
  }
}

}  // namespace
}  // namespace baton::parallel
