#include "decode/running_batch.h"

#include <gtest/gtest.h>

namespace baton::decode {
namespace {

Sequence sequence(uint64_t request, uint32_t prompt, uint32_t known = 0, uint32_t max_tokens = 20) {
  Sequence sequence;
  sequence.request = RequestId{request};
  sequence.tokens.resize(prompt + known, 7);
  sequence.prompt_tokens = prompt;
  sequence.cached = prompt - 1;
  sequence.max_tokens = max_tokens;
  sequence.pages = {PageId{static_cast<uint32_t>(request)}};
  return sequence;
}

Sequence prefill(uint64_t request, uint32_t prompt) {
  Sequence filling = sequence(request, prompt);
  filling.cached = 0;
  filling.fills_only = true;
  return filling;
}

model::SequenceResult said(std::vector<TokenId> tokens, std::vector<TokenId> drafts = {}) {
  model::SequenceResult result;
  for (const TokenId token : tokens) result.tokens.push_back({token, 0, {}, {}});
  result.drafts = std::move(drafts);
  return result;
}

class RunningBatchTest : public testing::Test {
 protected:
  static DecodeLimits limits(uint32_t groups) {
    DecodeLimits limits;
    limits.groups = groups;
    limits.sequences_max = 4;
    limits.rows_max = 16;
    limits.fill_rows_min = 4;
    limits.fill_rows_max = 8;
    limits.draft_tokens = 2;
    return limits;
  }
  RunningBatch batch_{limits(1)};
};

TEST_F(RunningBatchTest, ASequenceThatSamplesRunsItsLastTokenThenItsDraftsToo) {
  batch_.add(sequence(1, 5));
  auto step = batch_.build(2);
  ASSERT_EQ(step.size(), 1u);
  EXPECT_EQ(step[0].first, 4u);
  EXPECT_EQ(step[0].tokens.size(), 1u);
  EXPECT_TRUE(batch_.build(2).empty());  // one step at a time
  auto outcome = batch_.complete({said({50}, {51, 52})});
  EXPECT_EQ(outcome.sampled.at(0).tokens.at(0).token, 50u);

  step = batch_.build(2);
  EXPECT_EQ(step[0].first, 5u);
  EXPECT_EQ(step[0].tokens[0], 50u);
  EXPECT_EQ(step[0].drafts.size(), 2u);
  batch_.complete({said({51, 60})});  // one draft was right
  step = batch_.build(2);
  EXPECT_EQ(step[0].first, 7u);
  EXPECT_EQ(step[0].output.size(), 3u);
}

TEST_F(RunningBatchTest, GroupsAreLevelledByTokensThenBySequences) {
  RunningBatch batch(limits(2));
  batch.add(sequence(1, 50));
  for (uint64_t request = 2; request < 8; ++request) batch.add(sequence(request, 5));
  std::vector<uint32_t> groups;
  for (const auto& each : batch.sequences()) groups.push_back(each->group);
  // The light ones go to the second group until it has no room.
  EXPECT_EQ(groups, (std::vector<uint32_t>{0, 1, 1, 1, 1, 0, 0}));
  const auto step = batch.build(2);
  ASSERT_EQ(step.size(), 7u) << "each group has its rows in the common step";
  EXPECT_EQ(std::ranges::count(step, 0u, &model::SequenceRows::group), 3);
}

TEST_F(RunningBatchTest, DraftsNeverReachBeyondMaxTokensOrAcrossMinTokens) {
  Sequence short_one = sequence(1, 5, 0, 2);
  short_one.drafts = {51, 52};
  batch_.add(short_one);
  Sequence early = sequence(2, 5);
  early.drafts = {51, 52};
  early.min_tokens = 2;
  early.stop_tokens = {9};
  batch_.add(early);
  const auto step = batch_.build(2);
  EXPECT_EQ(step[0].drafts.size(), 1u);
  EXPECT_EQ(step[1].drafts.size(), 1u);
  EXPECT_EQ(step[1].masked.size(), 1u);
}

TEST_F(RunningBatchTest, DraftsNeverReachWhereATokenWillBeForced) {
  Sequence thinking = sequence(1, 5);
  thinking.drafts = {51, 52};
  thinking.parts = PartTracker({Part::reasoning, {{9, Part::content}}, 2});
  batch_.add(thinking);
  auto step = batch_.build(2);
  EXPECT_EQ(step[0].drafts.size(), 1u);
  batch_.complete({said({51, 52}, {53})});
  step = batch_.build(2);
  EXPECT_EQ(step[0].forced, 9u);
  EXPECT_TRUE(step[0].drafts.empty());
}

TEST_F(RunningBatchTest, ReplayedTokensAreFedManyRowsAtATimeBeforeSamplingGoesOn) {
  batch_.add(sequence(1, 5, 20));
  auto step = batch_.build(2);
  EXPECT_EQ(step[0].tokens.size(), 16u);
  EXPECT_EQ(step[0].sampling, nullptr);
  EXPECT_TRUE(step[0].next.has_value());
  EXPECT_TRUE(batch_.complete({said({})}).sampled.empty());
  step = batch_.build(2);
  EXPECT_EQ(step[0].tokens.size(), 5u);  // 21 rows in all, the last one samples
  EXPECT_NE(step[0].sampling, nullptr);
}

TEST_F(RunningBatchTest, APromptIsFilledUpToTheLastButOneThenReported) {
  batch_.add(prefill(1, 21));
  EXPECT_EQ(batch_.build(2)[0].tokens.size(), 16u);
  EXPECT_TRUE(batch_.complete({said({})}).filled.empty());
  EXPECT_EQ(batch_.build(2)[0].tokens.size(), 4u);
  EXPECT_EQ(batch_.complete({said({})}).filled, std::vector{RequestId{1}});
}

TEST_F(RunningBatchTest, ALongPromptDoesNotStarveThoseThatSampleNorTheyIt) {
  batch_.add(prefill(1, 1000));
  for (const uint64_t request : {2, 3}) {
    Sequence sampling = sequence(request, 5);
    sampling.drafts = {51, 52};
    batch_.add(sampling);
  }
  const auto step = batch_.build(2);
  ASSERT_EQ(step.size(), 3u);
  uint32_t rows = 0;
  for (const auto& sequence : step) rows += sequence.tokens.size() + sequence.drafts.size();
  EXPECT_LE(rows, 16u);
  EXPECT_EQ(step[0].drafts.size(), 2u);
  EXPECT_EQ(step[2].tokens.size(), 8u);  // fill_rows_max, while others wait
}

TEST_F(RunningBatchTest, WhatTheStepInFlightReadsIsFreedAfterIt) {
  batch_.add(sequence(1, 5));
  batch_.add(sequence(2, 5));
  const auto step = batch_.build(2);
  EXPECT_TRUE(batch_.remove(RequestId{1}).empty());
  EXPECT_EQ(batch_.held_pages(), std::vector{PageId{1}});
  EXPECT_EQ(step[0].tokens[0], 7u);  // still there to be read
  const auto outcome = batch_.complete({said({50}), said({60})});
  EXPECT_EQ(outcome.freed, std::vector{PageId{1}});
  ASSERT_EQ(outcome.sampled.size(), 1u);  // nobody waits for the other
  EXPECT_EQ(outcome.sampled[0].request, RequestId{2});
  EXPECT_EQ(batch_.remove(RequestId{2}), std::vector{PageId{2}});
  EXPECT_EQ(batch_.size(), 0u);
}

TEST_F(RunningBatchTest, AnEmptyBatchHasNothingToDo) { EXPECT_TRUE(batch_.build(2).empty()); }

// A draft that the form can't have is not verified; what is said moves the form on.
TEST_F(RunningBatchTest, AFormMasksEachSampledRow) {
  const constraint::TokenTrie vocabulary(std::vector<std::string_view>{"a", "b", ""});
  auto language = constraint::Language::compile(ConstraintParams::Form::regex, "ab", vocabulary);
  ASSERT_TRUE(language);
  Sequence constrained = sequence(1, 5);
  constrained.form.emplace(ConstraintParams{}, std::move(*language), std::vector<TokenId>{2}, 2);
  batch_.add(std::move(constrained));
  batch_.add(sequence(2, 5));
  auto step = batch_.build(2);
  ASSERT_EQ(step.size(), 2u);
  EXPECT_EQ(std::vector(step[0].masks.begin(), step[0].masks.end()), (std::vector<uint64_t>{0b1}));
  EXPECT_TRUE(step[1].masks.empty());
  batch_.complete({said({0}, {0}), said({9})});
  step = batch_.build(2);
  EXPECT_TRUE(step[0].drafts.empty());
  EXPECT_EQ(step[0].masks[0], 0b10u);
  batch_.complete({said({1}, {2}), said({9})});
  step = batch_.build(2);
  EXPECT_EQ(step[0].drafts.size(), 1u);
  EXPECT_EQ(step[0].masks.size(), 2u);
  EXPECT_EQ(step[0].masks[0], 0b100u) << "nothing is left but the end";
}

}  // namespace
}  // namespace baton::decode
