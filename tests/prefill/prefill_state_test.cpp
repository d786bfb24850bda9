#include "tests/prefill/machine.h"

namespace baton::prefill {
namespace {

TEST_F(PrefillStateTest, AJobIsReservedComputedLayerByLayerSealedAndFreedOnTheCommit) {
  EXPECT_EQ(told<Reserve>(order(1, 100)).at(0), (Reserve{JobId{1}, 2}));
  const auto first = all<Compute>(reserve(1, 2));
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(first[0].sequences.at(0).tokens.size(), 64u);
  EXPECT_TRUE(first[0].sequences[0].next.has_value());

  const auto posted = all<PostFrames>(step(LayerDone{first[0].step, 0}));
  ASSERT_EQ(posted.size(), 1u);  // while the next layer computes
  EXPECT_EQ(posted[0].frames.at(0).header.page, 0u);
  step(LayerDone{first[0].step, 1});
  const auto second = all<Compute>(step_done(first[0].step));
  EXPECT_EQ(second.at(0).sequences.at(0).tokens.size(), 36u);
  EXPECT_EQ(all<DigestPages>(finish_step(second[0].step)).at(0).tokens, 100u);

  EXPECT_TRUE(told<Seal>(step(Digested{JobId{1}, {Digest{1, 1}, Digest{2, 2}}})).empty());
  const auto seal = told<Seal>(step(FramesWritten{SessionId{1, 1}}));
  EXPECT_EQ(seal.at(0).pages.size(), 2u);
  const Actions committed = say(Commit{JobId{1}, SessionId{1, 1}});
  EXPECT_EQ(all<ForgetFrames>(committed).size(), 1u);
  EXPECT_EQ(state_.jobs(), 0u);
  EXPECT_EQ(state_.pool().counts(), (PageCounts{4, 2, 0, 0, 0, 2}));
}

TEST_F(PrefillStateTest, OfPagesThatDecodeKeepsNothingIsPostedOrSealed) {
  order(1, 150);
  const auto first = all<Compute>(reserve(1, 1, 2));
  ASSERT_EQ(first.size(), 1u) << "they are computed all the same: the rest attends to them";
  Actions actions = finish_step(first[0].step);
  EXPECT_TRUE(all<PostFrames>(actions).empty());
  actions = finish_step(all<Compute>(actions).at(0).step);
  EXPECT_TRUE(all<PostFrames>(actions).empty());
  actions = finish_step(all<Compute>(actions).at(0).step);
  const auto posted = all<PostFrames>(actions);
  ASSERT_EQ(posted.size(), 2u) << "a layer each";
  EXPECT_EQ(posted[0].frames.at(0).header.page, 0u) << "counted behind what is kept";
  const auto digests = all<DigestPages>(actions);
  EXPECT_EQ(digests.at(0).pages.size(), 1u);
  EXPECT_EQ(digests[0].tokens, 22u);
  step(FramesWritten{SessionId{1, 1}});
  EXPECT_EQ(told<Seal>(step(Digested{JobId{1}, std::vector<Digest>(1)})).size(), 1u);
  say(Commit{JobId{1}, SessionId{1, 1}});
  EXPECT_EQ(state_.counts().pages_not_sent, 2u);
  EXPECT_EQ(state_.jobs(), 0u);
}

TEST_F(PrefillStateTest, AJobThatWantsScoresIsToldThoseOfEachChunkBeforeItsSeal) {
  order(1, 100, 2);
  auto compute = all<Compute>(reserve(1, 2));
  EXPECT_EQ(compute.at(0).sequences.at(0).score, 2u);
  Actions actions = finish_step(compute[0].step);
  auto told_scores = told<PromptScores>(actions);
  ASSERT_EQ(told_scores.size(), 1u);
  EXPECT_EQ(told_scores[0].scores.first, 1u);
  EXPECT_EQ(told_scores[0].scores.scores.size(), 64u);
  compute = all<Compute>(actions);
  actions = finish_step(compute.at(0).step);
  told_scores = told<PromptScores>(actions);
  EXPECT_EQ(told_scores.at(0).scores.first, 65u);
  EXPECT_EQ(told_scores[0].scores.scores.at(0).token.logprob, -64.0f);
  EXPECT_EQ(told_scores[0].scores.scores.size(), 36u);
  EXPECT_TRUE(told<Seal>(actions).empty());
  EXPECT_EQ(told<Abort>(order(2, 10, 21)).size(), 1u) << "more alternatives than there may be";
}

TEST_F(PrefillStateTest, ARefusedJobLeavesTheWindowAndNothingWaitsBehindIt) {
  order(1, 10);
  order(2, 10);
  EXPECT_TRUE(told<Reserve>(order(3, 10)).empty());  // the window is full
  const Actions refused = say(NotBefore{JobId{1}, Duration(1s)});
  EXPECT_EQ(told<Reserve>(refused).at(0).job, JobId{3});
  reserve(2, 1);
  EXPECT_TRUE(told<Reserve>(after(500ms)).empty());
}

TEST_F(PrefillStateTest, AJobThatIsRefusedTooOftenIsAborted) {
  order(1, 10);
  for (int i = 0; i < 2; ++i) {
    say(NotBefore{JobId{1}, Duration(10ms)});
    EXPECT_EQ(told<Reserve>(after(10ms)).size(), 1u);
  }
  EXPECT_EQ(told<Abort>(say(NotBefore{JobId{1}, Duration(10ms)})).size(), 1u);
  EXPECT_EQ(state_.jobs(), 0u);
}

TEST_F(PrefillStateTest, AnAbortWhileItsRowsComputeFreesAfterTheStep) {
  order(1, 10);
  const auto compute = all<Compute>(reserve(1, 1));
  say(Abort{JobId{1}, "cancelled"});
  EXPECT_EQ(state_.pool().counts().filling, 1u);
  EXPECT_TRUE(all<PostFrames>(step(LayerDone{compute.at(0).step, 0})).empty());
  step_done(compute[0].step);
  EXPECT_EQ(room(), 4u);
}

TEST_F(PrefillStateTest, AnAbortThatOvertakesItsJobLeavesNothingToDo) {
  say(Abort{JobId{1}, "cancelled"});
  EXPECT_TRUE(told<Reserve>(order(1, 10)).empty());
  EXPECT_EQ(state_.jobs(), 0u);
}

TEST_F(PrefillStateTest, AJobForAnotherLifeOrBeyondALimitIsRefusedWithAReason) {
  PrefillJob other{Incarnation{6}, JobId{9}, RequestId{9}, Attempt{1}, {1, 2}};
  EXPECT_EQ(told<Abort>(say(other)).size(), 1u);
  EXPECT_EQ(told<Abort>(order(1, 0)).size(), 1u);    // one token needs no prefill
  EXPECT_EQ(told<Abort>(order(1, 300)).size(), 1u);  // five pages of four
  for (uint64_t job = 1; job <= 4; ++job) EXPECT_TRUE(told<Abort>(order(job, 10)).empty());
  EXPECT_EQ(told<Abort>(order(5, 10)).size(), 1u);
}

TEST_F(PrefillStateTest, AMessageForAnUnknownJobIsAnsweredWithAnAbort) {
  EXPECT_EQ(told<Abort>(reserve(77, 1)).at(0).job, JobId{77});
}

TEST_F(PrefillStateTest, FramesAreSentAgainWhenAskedFor) {
  order(1, 10);
  const auto compute = all<Compute>(reserve(1, 1));
  finish_step(compute.at(0).step);
  step(Digested{JobId{1}, {Digest{}}});
  step(FramesDropped{SessionId{1, 1}});
  const auto again = all<PostFrames>(say(Resend{JobId{1}, SessionId{1, 1}, {{1, 0}}}));
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].frames.at(0).header.layer, 1u);
}

TEST_F(PrefillStateTest, ASealWithoutAnAnswerIsRepeatedThenTheJobIsAborted) {
  order(1, 10);
  const auto compute = all<Compute>(reserve(1, 1));
  finish_step(compute.at(0).step);
  step(FramesWritten{SessionId{1, 1}});
  EXPECT_EQ(told<Seal>(step(Digested{JobId{1}, {Digest{}}})).size(), 1u);
  EXPECT_EQ(told<Seal>(after(2s)).size(), 1u);
  Actions last;
  for (int i = 0; i < 20 && told<Abort>(last).empty(); ++i) last = after(2s);
  EXPECT_EQ(told<Abort>(last).size(), 1u);
  EXPECT_EQ(room(), 4u);
}

TEST_F(PrefillStateTest, ALostDecodeEndsItsJobs) {
  order(1, 10);
  order(2, 10);
  step(DecodeDown{kLink});
  EXPECT_EQ(state_.jobs(), 0u);
  EXPECT_EQ(room(), 4u);
}

TEST_F(PrefillStateTest, EveryJobSaysThatItLives) {
  order(1, 10);
  EXPECT_EQ(told<JobAlive>(after(1s)).at(0), (JobAlive{JobId{1}, 0}));
}

TEST_F(PrefillStateTest, DrainingFinishesWhatRunsAndTakesNothingNew) {
  order(1, 10);
  EXPECT_TRUE(all<Drained>(step(Drain{})).empty());
  EXPECT_EQ(told<Abort>(order(2, 10)).size(), 1u);
  EXPECT_EQ(all<Drained>(say(Abort{JobId{1}, "done"})).size(), 1u);
}

TEST_F(PrefillStateTest, TheFirstBeatIsAtOnceAndListsWhatIsAccepted) {
  EXPECT_LE(*state_.next_deadline(), now_);
  const auto beats = all<Beat>(order(1, 100));
  ASSERT_EQ(beats.size(), 1u);
  EXPECT_EQ(beats[0].accepted, (std::vector{std::pair(RequestId{1}, Attempt{1})}));
  EXPECT_EQ(beats[0].load.queued_tokens, 100u);
}

TEST_F(PrefillStateTest, AJobThatCameAndWentBetweenTwoBeatsIsListedOnceInTheNext) {
  order(1, 10);
  order(2, 10);
  say(Abort{JobId{2}, "cancelled"});
  const auto one = std::pair(RequestId{1}, Attempt{1});
  const auto two = std::pair(RequestId{2}, Attempt{1});
  EXPECT_EQ(all<Beat>(after(20ms)).at(0).accepted, (std::vector{two, one}));
  EXPECT_EQ(all<Beat>(after(500ms)).at(0).accepted, (std::vector{one}));
}

TEST_F(PrefillStateTest, EveryDrainIsAnsweredAlsoOneThatComesWhenNothingIsLeft) {
  EXPECT_EQ(all<Drained>(step(Drain{})).size(), 1u);
  EXPECT_TRUE(all<Drained>(after(1s)).empty());
  EXPECT_EQ(all<Drained>(step(Drain{})).size(), 1u);
}

// What is written in all layers is told of with its digests while the rest is computed.
TEST_F(PrefillStateTest, PagesAreToldOfBeforeTheSealAndDigestedOnce) {
  order(1, 150);
  Actions actions = finish_step(all<Compute>(reserve(1, 3)).at(0).step);
  EXPECT_TRUE(all<DigestPages>(actions).empty()) << "they are not written yet";
  const auto second = all<Compute>(actions);
  auto digests = all<DigestPages>(step(FramesWritten{SessionId{1, 1}}));
  ASSERT_EQ(digests.size(), 1u);
  EXPECT_EQ(digests[0].pages.size(), 1u);
  EXPECT_EQ(digests[0].tokens, 64u);
  auto seals = told<Seal>(step(Digested{JobId{1}, {Digest{1, 1}}}));
  ASSERT_EQ(seals.size(), 1u);
  EXPECT_EQ(seals[0].pages, std::vector<Digest>({{1, 1}}));
  const auto third = all<Compute>(finish_step(second.at(0).step));
  EXPECT_EQ(all<DigestPages>(step(FramesWritten{SessionId{1, 1}})).size(), 1u);
  EXPECT_TRUE(all<DigestPages>(finish_step(third.at(0).step)).empty()) << "the second is read";
  digests = all<DigestPages>(step(Digested{JobId{1}, {Digest{2, 2}}}));
  EXPECT_EQ(digests.at(0).tokens, 22u);
  step(FramesWritten{SessionId{1, 1}});
  seals = told<Seal>(step(Digested{JobId{1}, {Digest{3, 3}}}));
  ASSERT_EQ(seals.size(), 1u);
  EXPECT_EQ(seals[0].pages, std::vector<Digest>({{1, 1}, {2, 2}, {3, 3}}));
  say(Commit{JobId{1}, SessionId{1, 1}});
  EXPECT_EQ(state_.jobs(), 0u);
}

TEST_F(PrefillStateTest, AnAbortWhileFirstPagesAreDigestedWaitsForThat) {
  order(1, 150);
  const Actions actions = finish_step(all<Compute>(reserve(1, 3)).at(0).step);
  EXPECT_EQ(all<DigestPages>(step(FramesWritten{SessionId{1, 1}})).size(), 1u);
  say(Abort{JobId{1}, "gone"});
  finish_step(all<Compute>(actions).at(0).step);
  EXPECT_EQ(state_.jobs(), 1u);
  EXPECT_TRUE(told<Seal>(step(Digested{JobId{1}, {Digest{1, 1}}})).empty());
  EXPECT_EQ(state_.jobs(), 0u);
}

}  // namespace
}  // namespace baton::prefill
