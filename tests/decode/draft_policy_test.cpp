#include "decode/draft_policy.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/hash/counter_rng.h"

namespace baton::decode {
namespace {

// A model whose step takes a part for the first row of a sequence, one for each draft it verifies,
// and one for each it makes.
struct Machine {
  double first_ms, row_ms, draft_ms;
  double accepted;  // chance that a draft is, if those before it were
  SeededRandom random{7};

  // The steps of a batch, drafts made in one and verified in the next; returns the mean depth of
  // the last half.
  double run(DraftPolicy& policy, uint32_t sequences, int steps) {
    uint32_t made = 0;
    double depths = 0;
    for (int s = 0; s < steps; ++s) {
      const uint32_t depth = policy.depth(sequences);
      uint64_t tokens = sequences;
      for (uint32_t q = 0; q < sequences; ++q) {
        for (uint32_t d = 0; d < made && random.chance(accepted); ++d) ++tokens;
      }
      const double ms = first_ms + sequences * (row_ms * made + draft_ms * depth);
      policy.ended(
          {sequences, depth, uint64_t{sequences} * made, tokens, false,
           std::chrono::duration_cast<Duration>(std::chrono::duration<double, std::milli>(ms))});
      made = depth;
      if (s >= steps / 2) depths += depth;
    }
    return depths / (steps - steps / 2);
  }
};

TEST(DraftPolicy, DraftsDeepWhereDraftsAreCheapAndRight) {
  DraftPolicy policy(4);
  Machine machine{20, 2, 1, 0.95};
  EXPECT_GT(machine.run(policy, 1, 4000), 3.6);
}

TEST(DraftPolicy, OneDraftWhereTheSecondIsSeldomRight) {
  DraftPolicy policy(4);
  Machine machine{20, 4, 2, 0.5};  // 1.5 tokens in 26 ms, 1.75 in 32, 1.88 in 38
  EXPECT_NEAR(machine.run(policy, 1, 4000), 1, 0.2);
}

TEST(DraftPolicy, TurnsItselfOffWhereTheBatchIsLargeAndOnWhereItIsSmall) {
  DraftPolicy policy(1);
  Machine machine{20, 4, 1, 0.9};
  EXPECT_LT(machine.run(policy, 32, 4000), 0.1);
  EXPECT_GT(machine.run(policy, 1, 4000), 0.9) << "each size of batch is judged alone";
}

TEST(DraftPolicy, FollowsWhatIsBeingSaid) {
  DraftPolicy policy(1);
  Machine machine{20, 10, 5, 0.1};
  EXPECT_LT(machine.run(policy, 1, 2000), 0.1);
  machine.accepted = 0.95;
  EXPECT_GT(machine.run(policy, 1, 4000), 0.9);
}

TEST(DraftPolicy, StaysAtOneWhereNothingCanBeMeasured) {
  DraftPolicy policy(3);
  uint32_t depth = 0;
  for (int s = 0; s < 1000; ++s) {
    depth = policy.depth(4);
    policy.ended({4, depth, uint64_t{4} * depth, 5, true, 10ms});
  }
  EXPECT_EQ(depth, 1u);
}

TEST(DraftPolicy, ZeroIsNeverLeft) {
  DraftPolicy policy(0);
  Machine machine{20, 2, 1, 1};
  EXPECT_EQ(machine.run(policy, 1, 1000), 0);
}

}  // namespace
}  // namespace baton::decode
