#include "parallel/migration.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "base/hash/counter_rng.h"
#include "tests/support/seeds.h"

namespace baton::parallel {
namespace {

using ::testing::ElementsAre;

const Topology kTwoRanks(Layout{.dp = 2});

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

TEST(Migration, ALayerSwitchesAsAWholeOnceAllIsLoaded) {
  const ExpertPlacement first({0, 1, 2, 3}, 4, 2);
  const ExpertPlacement second({0, 3, 2, 1}, 4, 2);
  Migration migration(kTwoRanks, {first, first.with_epoch(6)}, 1);
  EXPECT_TRUE(migration.settled());
  EXPECT_TRUE(migration.step().moves.empty());

  migration.aim({first, second});
  EXPECT_FALSE(migration.settled());
  const auto begun = migration.step();
  EXPECT_FALSE(begun.switched);
  ASSERT_EQ(begun.moves.size(), 2u) << "one a rank";
  const SlotMove there = begun.moves[0], back = begun.moves[1];
  EXPECT_EQ(there, (SlotMove{.layer = 1, .slot = 1, .expert = 3, .from_slot = 3, .epoch = 7}));
  EXPECT_EQ(back, (SlotMove{.layer = 1, .slot = 3, .expert = 1, .from_slot = 1, .epoch = 7}));
  EXPECT_EQ(migration.moving(), 1u);

  EXPECT_TRUE(migration.loaded(there));
  EXPECT_FALSE(migration.loaded(there)) << "no news";
  const auto waiting = migration.step();
  EXPECT_FALSE(waiting.switched);
  EXPECT_TRUE(waiting.moves.empty());
  EXPECT_EQ(migration.active(1), first.with_epoch(6)) << "the old one serves";

  EXPECT_TRUE(migration.failed(back));
  EXPECT_FALSE(migration.loaded(back)) << "it has failed";
  ASSERT_EQ(migration.step().moves.size(), 1u) << "once more";
  EXPECT_TRUE(migration.loaded(back));
  EXPECT_EQ(migration.active(1).epoch(), 6u) << "not between steps";
  EXPECT_EQ(migration.step().switched, 1u);
  EXPECT_EQ(migration.active(1), second.with_epoch(7));
  EXPECT_EQ(migration.active(0), first);
  EXPECT_TRUE(migration.settled());
  EXPECT_FALSE(migration.loaded(back)) << "too late";
}

TEST(Migration, WhatIsReadFromARankIsBoundedToo) {
  // Rank 0 alone holds expert 0, which all others want.
  const Topology topology(Layout{.dp = 4, .ranks_per_host = 2});
  const ExpertPlacement active({0, 1, 2, 3, 1, 2, 3, 1}, 4, 4);
  const ExpertPlacement target({0, 1, 2, 0, 1, 0, 3, 0}, 4, 4);
  Migration migration(topology, {active}, 1);
  migration.aim({target});
  const auto first = migration.step();
  ASSERT_EQ(first.moves.size(), 1u);
  EXPECT_EQ(first.moves[0].from_slot, 0u);
  migration.loaded(SlotMove(first.moves[0]));
  EXPECT_EQ(migration.step().moves.size(), 1u);
}

TEST(Migration, WeightsComeFromTheNearestRank) {
  const Topology topology(Layout{.dp = 4, .ranks_per_host = 2});
  // Expert 0 is on ranks 0 and 2; rank 3 wants it in the place of expert 3.
  const ExpertPlacement active({0, 1, 2, 3, 0, 3, 3, 1}, 4, 4);
  const ExpertPlacement target({0, 1, 2, 3, 0, 3, 0, 1}, 4, 4);
  Migration migration(topology, {active}, 4);
  migration.aim({target});
  const auto actions = migration.step();
  ASSERT_EQ(actions.moves.size(), 1u);
  EXPECT_EQ(actions.moves[0].from_slot, 4u) << "its host's, not rank 0's";
}

TEST(Migration, AnOrderInsideARankIsNoReasonToMove) {
  Migration migration(kTwoRanks, {ExpertPlacement({0, 1, 2, 3}, 4, 2)}, 1);
  migration.aim({ExpertPlacement({1, 0, 3, 2}, 4, 2)});
  EXPECT_TRUE(migration.step().moves.empty());
  EXPECT_TRUE(migration.settled());
  EXPECT_EQ(migration.active(0).epoch(), 0u);
}

TEST(Migration, WhatWasGivenUpIsKnownByItsEpoch) {
  const ExpertPlacement first({0, 1}, 2, 2), second({1, 0}, 2, 2);
  Migration migration(kTwoRanks, {first}, 1);
  migration.aim({second});
  const SlotMove old = migration.step().moves[0];
  migration.stop();
  EXPECT_TRUE(migration.settled());
  EXPECT_FALSE(migration.loaded(old));
  EXPECT_TRUE(migration.step().moves.empty());
  migration.aim({second});
  const SlotMove again = migration.step().moves[0];
  EXPECT_EQ(again.slot, old.slot);
  EXPECT_GT(again.epoch, old.epoch);
  EXPECT_FALSE(migration.loaded(old)) << "spare room was void";
  EXPECT_TRUE(migration.loaded(again));
}

TEST(Migration, WithoutLayersThereIsNothingToDo) {
  Migration migration(kTwoRanks, {}, 1);
  migration.aim({});
  EXPECT_FALSE(migration.step().switched);
  EXPECT_TRUE(migration.settled());
}

// Ranks that hold weights, load slowly, fail at times and speak twice; targets that change.
class Cluster {
 public:
  explicit Cluster(uint64_t seed)
      : random_(seed),
        shape_(draw_shape()),
        topology_(Layout{.dp = shape_.ranks, .ranks_per_host = shape_.ranks / shape_.hosts}),
        moves_max_(1 + static_cast<uint32_t>(random_.below(3))),
        layers_(static_cast<uint32_t>(random_.below(4))),
        migration_(topology_, draw_targets(true), moves_max_) {
    for (uint32_t layer = 0; layer < layers_; ++layer) {
      held_.push_back(slots_of(migration_.active(layer)));
      spare_.push_back(std::vector<uint32_t>(shape_.slots, kNothing));
    }
  }

  void run() {
    uint32_t aims = 1 + static_cast<uint32_t>(random_.below(3));
    for (uint32_t step = 0; step < 5000 && (aims > 0 || !migration_.settled()); ++step) {
      if (aims > 0 && (migration_.settled() || random_.chance(0.02))) aim(), --aims;
      if (random_.chance(0.003)) give_up();
      take(migration_.step());
      check_bounds();
      load();
      check_active();
    }
    ASSERT_TRUE(migration_.settled());
    for (uint32_t layer = 0; layer < layers_ && !targets_.empty(); ++layer) {
      for (uint32_t rank = 0; rank < shape_.ranks; ++rank) {
        ASSERT_EQ(sorted_experts(migration_.active(layer), rank),
                  sorted_experts(targets_[layer], rank));
      }
    }
  }

 private:
  static constexpr uint32_t kNothing = UINT32_MAX;

  static std::vector<uint32_t> slots_of(const ExpertPlacement& placement) {
    const auto map = placement.physical_to_logical();
    return {map.begin(), map.end()};
  }

  PlacementShape draw_shape() {
    PlacementShape shape;
    shape.experts = 1 + static_cast<uint32_t>(random_.below(12));
    shape.hosts = 1 + static_cast<uint32_t>(random_.below(2));
    shape.ranks = shape.hosts * (1 + static_cast<uint32_t>(random_.below(3)));
    shape.slots = (shape.experts / shape.ranks + 1 + random_.below(2)) * shape.ranks;
    return shape;
  }

  std::vector<ExpertPlacement> draw_targets(bool first) {
    std::vector<ExpertPlacement> targets;
    for (uint32_t layer = 0; layer < layers_; ++layer) {
      std::vector<float> loads(shape_.experts);
      for (float& load : loads) load = static_cast<float>(random_.below(50));
      targets.push_back(first ? first_placement(shape_) : rebalance(loads, shape_));
    }
    return targets;
  }

  void aim() {
    targets_ = draw_targets(false);
    migration_.aim(targets_);
  }

  void give_up() {
    migration_.stop();
    targets_.clear();
    late_.insert(late_.end(), loading_.begin(), loading_.end());
    loading_.clear();
    for (auto& layer : spare_) std::fill(layer.begin(), layer.end(), kNothing);
  }

  void take(const Migration::Actions& actions) {
    if (actions.switched) {
      const uint32_t layer = *actions.switched;
      EXPECT_TRUE(loading_.empty()) << "a switch waits for all of its layer";
      EXPECT_GT(migration_.active(layer).epoch(), epoch_);
      epoch_ = migration_.active(layer).epoch();
      for (uint32_t slot = 0; slot < shape_.slots; ++slot) {
        if (spare_[layer][slot] != kNothing) held_[layer][slot] = spare_[layer][slot];
        spare_[layer][slot] = kNothing;
      }
    }
    for (const SlotMove& move : actions.moves) {
      EXPECT_EQ(move.layer, migration_.moving()) << "one layer at a time";
      EXPECT_EQ(held_[move.layer][move.from_slot], move.expert);
      EXPECT_NE(held_[move.layer][move.slot], move.expert) << "no move without need";
      loading_.push_back(move);
    }
  }

  void check_bounds() {
    std::vector<uint32_t> arriving(shape_.ranks), leaving(shape_.ranks);
    for (const SlotMove& move : loading_) {
      const uint32_t to = migration_.active(move.layer).rank_of(move.slot);
      const uint32_t from = migration_.active(move.layer).rank_of(move.from_slot);
      ++arriving[to];
      if (from != to) ++leaving[from];
    }
    for (uint32_t rank = 0; rank < shape_.ranks; ++rank) {
      ASSERT_LE(arriving[rank], moves_max_);
      ASSERT_LE(leaving[rank], moves_max_);
    }
    ASSERT_TRUE(!migration_.moving() || !loading_.empty()) << "there is always something to do";
  }

  void load() {
    for (size_t i = 0; i < loading_.size();) {
      const SlotMove move = loading_[i];
      if (random_.chance(0.4)) {
        ++i;
        continue;
      }
      loading_.erase(loading_.begin() + static_cast<ptrdiff_t>(i));
      if (random_.chance(0.1)) {
        EXPECT_TRUE(migration_.failed(move));
        continue;
      }
      spare_[move.layer][move.slot] = move.expert;
      EXPECT_TRUE(migration_.loaded(move));
      if (random_.chance(0.2)) late_.push_back(move);
    }
    // Said again, or too late, or about what was given up: no matter.
    for (const SlotMove& move : late_) {
      EXPECT_FALSE(random_.chance(0.5) ? migration_.loaded(move) : migration_.failed(move));
    }
  }

  void check_active() {
    for (uint32_t layer = 0; layer < layers_; ++layer) {
      ASSERT_EQ(slots_of(migration_.active(layer)), held_[layer]) << "what is active is loaded";
    }
  }

  SeededRandom random_;
  PlacementShape shape_;
  Topology topology_;
  uint32_t moves_max_;
  uint32_t layers_;
  Migration migration_;
  std::vector<ExpertPlacement> targets_;
  std::vector<std::vector<uint32_t>> held_;   // [layers, slots], the weights that serve
  std::vector<std::vector<uint32_t>> spare_;  // [layers, slots], loaded beside them
  std::vector<SlotMove> loading_, late_;
  uint64_t epoch_ = 0;
};

TEST(Migration, ArrivesWhateverHappensOnTheWay) {
  for (uint64_t seed = 0; seed < testing::seeds(1000); ++seed) {
    SCOPED_TRACE(seed);
    Cluster(seed).run();
    if (::testing::Test::HasFailure()) return;
  }
}

// k slots a rank and step: a layer of n moves on its busiest rank takes about n / k steps.
TEST(Migration, TakesNoMoreStepsThanItsLimitAsksFor) {
  const PlacementShape shape{.experts = 256, .groups = 8, .slots = 288, .hosts = 4, .ranks = 32};
  const Topology topology(Layout{.tp = 4, .dp = 8, .redundant = 32, .ranks_per_host = 8});
  SeededRandom random(2);
  std::vector<float> loads(256);
  for (float& load : loads) load = static_cast<float>(random.below(1000));
  Migration migration(topology, {first_placement(shape)}, 2);
  migration.aim({rebalance(loads, shape)});
  uint32_t steps = 0;
  while (!migration.settled() && steps < 100) {
    const auto actions = migration.step();
    for (const SlotMove move : actions.moves) migration.loaded(move);
    ++steps;
  }
  EXPECT_TRUE(migration.settled());
  EXPECT_LE(steps, 20u) << "nine slots a rank, two a step, and what sources can send";
}

}  // namespace
}  // namespace baton::parallel
