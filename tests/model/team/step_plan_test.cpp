#include "model/team/step_plan.h"

#include <gtest/gtest.h>

#include <numeric>
#include <set>

#include "base/hash/counter_rng.h"

namespace baton::model {
namespace {

const SamplingParams kSampling;

struct Sample {
  std::vector<TokenId> tokens, drafts;
  SequenceRows rows;
};

// Sequences of random lengths; every second one samples.
std::vector<Sample> random_step(SeededRandom& random, uint32_t groups) {
  std::vector<Sample> all(random.below(12));
  for (Sample& s : all) {
    s.tokens.resize(1 + random.below(random.below(4) == 0 ? 60 : 3));
    const bool samples = random.below(2) == 0;
    if (samples) s.drafts.resize(random.below(4));
    s.rows.group = static_cast<uint32_t>(random.below(groups));
    s.rows.tokens = s.tokens;
    s.rows.drafts = s.drafts;
    s.rows.sampling = samples ? &kSampling : nullptr;
    s.rows.draft_depth = static_cast<uint32_t>(random.below(4));
  }
  return all;
}

std::vector<SequenceRows> rows_of(const std::vector<Sample>& all) {
  std::vector<SequenceRows> rows;
  for (const Sample& s : all) rows.push_back(s.rows);
  return rows;
}

// The rank of the group and the micro-batch that a row belongs to.
std::pair<uint32_t, uint32_t> owner(const GroupPlan& group, uint32_t row) {
  for (uint32_t b = 0; b < kBatchesMax; ++b) {
    for (uint32_t t = 0; t + 1 < group.bounds[b].size(); ++t) {
      if (row >= group.bounds[b][t] && row < group.bounds[b][t + 1]) return {b, t};
    }
  }
  ADD_FAILURE() << "row " << row << " belongs to nobody";
  return {0, 0};
}

void expect_sound(const GroupPlan& group, uint32_t name, std::span<const SequenceRows> step,
                  const StepShape& shape) {
  uint32_t row = 0;
  std::vector<uint32_t> members;
  std::vector<std::pair<uint32_t, uint32_t>> tails;  // owners of sampled rows, by member
  for (uint32_t i = 0; i < step.size(); ++i) {
    if (step[i].group != name) continue;
    members.push_back(i);
    row += row_count(step[i]);
    tails.push_back(owner(group, row - 1));
    if (step[i].sampling == nullptr) continue;
    for (uint32_t r = row - 1 - static_cast<uint32_t>(step[i].drafts.size()); r < row; ++r) {
      EXPECT_EQ(owner(group, r), tails.back()) << "sampled rows stay together";
    }
  }
  EXPECT_EQ(group.sequences, members);
  EXPECT_EQ(group.rows, row);
  EXPECT_EQ(group.bounds[0].front(), 0u);
  EXPECT_EQ(group.bounds[shape.batches - 1].back(), row);
  if (shape.batches == 2) {
    EXPECT_EQ(group.bounds[0].back(), group.bounds[1].front());
  }
  for (uint32_t depth = 0; depth < group.drafts.size(); ++depth) {
    const DraftPlan& drafts = group.drafts[depth];
    std::set<uint32_t> drafting;
    for (uint32_t t = 0; t < shape.tp; ++t) {
      for (uint32_t d = drafts.bounds[t]; d < drafts.bounds[t + 1]; ++d) {
        EXPECT_EQ(tails[drafts.sequences[d]].second, t) << "a draft is made where its token was";
        drafting.insert(drafts.sequences[d]);
      }
    }
    for (uint32_t m = 0; m < members.size(); ++m) {
      const SequenceRows& s = step[members[m]];
      EXPECT_EQ(drafting.contains(m), s.sampling != nullptr && s.draft_depth > depth);
    }
  }
}

TEST(StepPlan, EveryRowHasOneOwnerAndSampledRowsStayTogether) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SeededRandom random(seed);
    const StepShape shape{1u << random.below(4), 1 + static_cast<uint32_t>(random.below(4)),
                          1 + static_cast<uint32_t>(random.below(2))};
    const auto samples = random_step(random, shape.dp);
    const auto step = rows_of(samples);
    const StepPlan plan = plan_step(step, shape, true);
    ASSERT_EQ(plan.groups.size(), shape.dp);
    uint32_t rows = 0;
    uint32_t owned = 0;
    for (uint32_t g = 0; g < shape.dp; ++g) {
      expect_sound(plan.groups[g], g, step, shape);
      rows += plan.groups[g].rows;
    }
    for (uint32_t b = 0; b < shape.batches; ++b) {
      ASSERT_EQ(plan.sources[b].size(), shape.ranks());
      owned += std::accumulate(plan.sources[b].begin(), plan.sources[b].end(), 0u);
    }
    EXPECT_EQ(owned, rows);
  }
}

TEST(StepPlan, ALongPromptIsSplitEvenly) {
  const std::vector<TokenId> tokens(64);
  SequenceRows rows;
  rows.tokens = tokens;
  const StepPlan plan = plan_step(std::span(&rows, 1), {4, 1, 2, 1'000'000}, true);
  EXPECT_EQ(plan.groups[0].bounds[0], (std::vector<uint32_t>{0, 8, 16, 24, 32}));
  EXPECT_EQ(plan.groups[0].bounds[1], (std::vector<uint32_t>{32, 40, 48, 56, 64}));
  EXPECT_TRUE(plan.groups[0].drafts.empty());
}

TEST(StepPlan, MicroBatchesAreOfLikeWorkNotOfLikeSize) {
  const std::vector<TokenId> token(1);
  std::vector<SequenceRows> step(16);
  for (uint32_t i = 0; i < 16; ++i) {
    step[i].tokens = token;
    step[i].sampling = &kSampling;
    step[i].first = i < 4 ? 90'000 : 100;
  }
  StepShape shape{1, 1, 2, 4000};
  EXPECT_EQ(plan_step(step, shape, false).groups[0].bounds[0], (std::vector<uint32_t>{0, 2}));
  shape.row_work = 1'000'000;  // attention is nothing beside it
  EXPECT_EQ(plan_step(step, shape, false).groups[0].bounds[0], (std::vector<uint32_t>{0, 8}));
  const std::vector<TokenId> prompt(1000);
  SequenceRows fill;
  fill.tokens = prompt;
  // Half of the sum of 1 to 1000, and no other work.
  const auto half = plan_step(std::span(&fill, 1), {1, 1, 2, 0}, false).groups[0].bounds[0][1];
  EXPECT_NEAR(half, 707, 1);
}

TEST(StepPlan, AnEmptyStepHasARowForNobody) {
  const StepPlan plan = plan_step({}, {2, 2, 1}, true);
  EXPECT_EQ(plan.sources[0], (std::vector<uint32_t>(4)));
  EXPECT_TRUE(plan.draft_sources.empty());
}

}  // namespace
}  // namespace baton::model
