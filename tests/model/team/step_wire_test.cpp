#include "model/team/step_wire.h"

#include <gtest/gtest.h>

namespace baton::model {
namespace {

TEST(StepWire, AHeaderComesBackAsItWas) {
  std::vector<std::byte> bytes;
  write_header(
      {true,
       {std::vector<uint32_t>{1, 0, 7}, std::vector<uint32_t>{}},
       {{0, 2, 0}, {0, 1, 0}},
       {.report = true,
        .asked = {1, 2},
        .moves = {{.layer = 3, .slot = 4, .expert = 5, .epoch = 6}},
        .switched = parallel::LayerSwitch{2, parallel::ExpertPlacement({1, 0, 2, 0}, 3, 2, 9)}}},
      bytes);
  const StepHeader back = read_header(bytes);
  EXPECT_TRUE(back.stop);
  EXPECT_EQ(back.sources[0], (std::vector<uint32_t>{1, 0, 7}));
  EXPECT_TRUE(back.sources[1].empty());
  EXPECT_EQ(back.draft_sources, (std::vector<std::vector<uint32_t>>{{0, 2, 0}, {0, 1, 0}}));
  EXPECT_TRUE(back.experts.report);
  EXPECT_EQ(back.experts.asked, (std::vector<uint32_t>{1, 2}));
  ASSERT_EQ(back.experts.moves.size(), 1u);
  EXPECT_EQ(back.experts.moves[0], (parallel::SlotMove{3, 4, 5, 6}));
  ASSERT_TRUE(back.experts.switched);
  EXPECT_EQ(back.experts.switched->layer, 2u);
  EXPECT_EQ(back.experts.switched->placement, parallel::ExpertPlacement({1, 0, 2, 0}, 3, 2, 9));
}

TEST(StepWire, AReportComesBackAsItWas) {
  std::vector<std::byte> bytes;
  write_report({.tokens = {5, 0, 7}, .loaded = {{1, 2, 3, 4}}, .failed = {{5, 6, 7, 8}}}, bytes);
  const parallel::BalanceReport back = read_report(bytes);
  EXPECT_EQ(back.tokens, (std::vector<uint32_t>{5, 0, 7}));
  ASSERT_EQ(back.loaded.size(), 1u);
  EXPECT_EQ(back.loaded[0], (parallel::SlotMove{1, 2, 3, 4}));
  ASSERT_EQ(back.failed.size(), 1u);
  EXPECT_EQ(back.failed[0], (parallel::SlotMove{5, 6, 7, 8}));
}

// Every field that a rank reads, with a value that is no default.
struct Example {
  std::vector<PageId> pages{PageId(4), PageId(9)};
  std::vector<TokenId> tokens{5, 6}, drafts{7, 8, 9}, prompt{1, 2, 3}, output{5, 6}, masked{11};
  std::vector<uint64_t> masks{1, 2, 3, 4};
  SamplingParams sampling{.temperature = 0.5f,
                          .top_p = 0.9f,
                          .top_k = 7,
                          .min_p = 0.1f,
                          .presence_penalty = 0.2f,
                          .frequency_penalty = 0.3f,
                          .repetition_penalty = 1.1f,
                          .seed = 99,
                          .logit_bias = {{3, 1.5f}, {8, -2}},
                          .allowed = {2, 5},
                          .bad_words = {{4}, {1, 2, 3}}};
  ReportParams report{.logprobs = true,
                      .top_logprobs = 4,
                      .skip_special_tokens = false,
                      .logits_digest = true,
                      .prompt_logprobs = 3};
  SequenceRows rows() const {
    SequenceRows r;
    r.group = 2;
    r.pages = pages;
    r.prompt_tokens = 3;
    r.first = 64;
    r.tokens = tokens;
    r.sampling = &sampling;
    r.report = &report;
    r.drafts = drafts;
    r.prompt = prompt;
    r.output = output;
    r.choice = 5;
    r.masked = masked;
    r.masks = masks;
    r.forced = 12;
    r.draft_depth = 3;
    return r;
  }
};

template <class T>
std::vector<T> list(std::span<const T> values) {
  return {values.begin(), values.end()};
}

void expect_same(const SequenceRows& back, const SequenceRows& was) {
  EXPECT_EQ(back.group, was.group);
  EXPECT_EQ(list(back.pages), list(was.pages));
  EXPECT_EQ(back.prompt_tokens, was.prompt_tokens);
  EXPECT_EQ(back.first, was.first);
  EXPECT_EQ(list(back.tokens), list(was.tokens));
  EXPECT_EQ(back.next, was.next);
  EXPECT_EQ(back.score, was.score);
  EXPECT_EQ(back.forced, was.forced);
  EXPECT_EQ(list(back.drafts), list(was.drafts));
  EXPECT_EQ(list(back.prompt), list(was.prompt));
  EXPECT_EQ(list(back.output), list(was.output));
  EXPECT_EQ(list(back.masked), list(was.masked));
  EXPECT_EQ(list(back.masks), list(was.masks));
  EXPECT_EQ(back.choice, was.choice);
  EXPECT_EQ(back.draft_depth, was.draft_depth);
  ASSERT_EQ(back.sampling == nullptr, was.sampling == nullptr);
  if (was.sampling == nullptr) return;
  EXPECT_EQ(*back.sampling, *was.sampling);
  EXPECT_EQ(*back.report, *was.report);
}

TEST(StepWire, AGroupsPartKeepsEveryFieldOfItsSequences) {
  const Example example;
  SequenceRows fills;
  fills.pages = example.pages;
  fills.prompt_tokens = 100;
  fills.tokens = example.prompt;
  fills.next = 42;
  fills.score = 2;
  const std::vector<SequenceRows> step = {example.rows(), SequenceRows{}, fills};
  GroupPlan plan;
  plan.sequences = {0, 2};
  plan.bounds = {std::vector<uint32_t>{0, 3}, std::vector<uint32_t>{3, 8}};
  plan.drafts = {{{0}, {0, 1}}, {{}, {0, 0}}};
  plan.rows = 8;
  std::vector<std::byte> bytes;
  write_group(step, plan, bytes);
  GroupStep back;
  for (int again = 0; again < 2; ++again) {  // its memory is used again
    read_group(bytes, back);
    ASSERT_EQ(back.sequences().size(), 2u);
    expect_same(back.sequences()[0], step[0]);
    expect_same(back.sequences()[1], step[2]);
    EXPECT_EQ(back.plan().sequences, plan.sequences);
    EXPECT_EQ(back.plan().bounds, plan.bounds);
    ASSERT_EQ(back.plan().drafts.size(), 2u);
    EXPECT_EQ(back.plan().drafts[0].sequences, plan.drafts[0].sequences);
    EXPECT_EQ(back.plan().drafts[1].bounds, plan.drafts[1].bounds);
    EXPECT_EQ(back.plan().rows, plan.rows);
  }
}

TEST(StepWire, TokensThatNoPenaltyLooksAtStayAtHome) {
  Example example;
  example.sampling = {};
  const auto rows = example.rows();
  GroupPlan plan;
  plan.sequences = {0};
  std::vector<std::byte> bytes;
  write_group(std::span(&rows, 1), plan, bytes);
  GroupStep back;
  read_group(bytes, back);
  EXPECT_TRUE(back.sequences()[0].prompt.empty());
  EXPECT_TRUE(back.sequences()[0].output.empty());
}

TEST(StepWire, ResultsGoToTheSequencesTheyAreOf) {
  std::vector<SequenceResult> made(3);
  made[2].tokens = {{7, -0.5f, {{7, -0.5f}, {8, -1}}, {}}, {9, -0.25f, {}, {}}};
  made[2].drafts = {12};
  made[2].draft_logprobs = {{12, -3}};
  const std::vector<uint32_t> owned = {2};
  std::vector<std::byte> bytes;
  write_results(owned, made, bytes);
  GroupPlan plan;
  plan.sequences = {1, 4, 5};
  std::vector<SequenceResult> results(6);
  read_results(bytes, plan, results);
  ASSERT_EQ(results[5].tokens.size(), 2u);
  EXPECT_EQ(results[5].tokens[0].top, made[2].tokens[0].top);
  EXPECT_EQ(results[5].tokens[1].token, 9u);
  EXPECT_EQ(results[5].drafts, made[2].drafts);
  EXPECT_EQ(results[5].draft_logprobs, made[2].draft_logprobs);
  EXPECT_TRUE(results[4].tokens.empty());
}

TEST(StepWire, EachRankSaysItsPartOfAPromptsScores) {
  std::vector<SequenceResult> made(1), results(1);
  const std::vector<uint32_t> answered = {0};
  GroupPlan plan;
  plan.sequences = {0};
  std::vector<std::byte> bytes;
  for (const uint32_t row : {3u, 8u}) {
    made[0].scores = {{row, {{row, -0.5f}, 2, {{1, -0.25f}, {row, -0.5f}}}}};
    write_results(answered, made, bytes);
    read_results(bytes, plan, results);
    ASSERT_FALSE(results[0].scores.empty());
    EXPECT_EQ(results[0].scores.back().row, row);
    EXPECT_EQ(results[0].scores.back().score, made[0].scores[0].score);
  }
  EXPECT_EQ(results[0].scores.size(), 2u);
}

TEST(StepWireDeathTest, AMessageThatIsCutStopsTheProcess) {
  std::vector<std::byte> bytes;
  write_header({false, {}, {{1, 2, 3}}}, bytes);
  bytes.pop_back();
  EXPECT_DEATH(read_header(bytes), "whole");
}

}  // namespace
}  // namespace baton::model
