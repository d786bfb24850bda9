#include "decode/decode_state.h"

#include <cmath>

#include "decode/forms/form_compiler.h"
#include "tests/decode/machine.h"

namespace baton::decode {
namespace {

TEST_F(DecodeStateTest, APromptOfOneTokenRunsAtOnceAndItsTokensAreTold) {
  auto compute = all<Compute>(submit(request(1, 1, 1, 2)));
  ASSERT_EQ(compute.size(), 1u);
  EXPECT_EQ(compute[0].sequences[0].first, 0u);
  Actions actions = answer(compute[0], {3});
  const auto first = to_gateway<Progress>(actions);
  EXPECT_EQ(first.at(0).tokens.at(0).text, "D");
  EXPECT_TRUE(first[0].times.has_value());
  compute = all<Compute>(actions);
  const auto last = to_gateway<Progress>(answer(compute.at(0), {4}));
  EXPECT_EQ(last.at(0).tokens.at(0).finish, FinishReason::length);
  EXPECT_FALSE(last[0].times.has_value());
  EXPECT_EQ(state_.live(), 0u);
  EXPECT_EQ(free_pages(), 8u);
}

TEST_F(DecodeStateTest, WithoutAPrefillItFillsThePromptItselfThenForks) {
  auto compute = all<Compute>(submit(request(1, 71, 2)));
  EXPECT_EQ(compute.at(0).sequences.at(0).tokens.size(), 64u);
  EXPECT_EQ(compute[0].sequences[0].sampling, nullptr);
  Actions actions = answer(compute[0], {});
  compute = all<Compute>(actions);
  EXPECT_EQ(compute.at(0).sequences.at(0).tokens.size(), 6u);
  actions = answer(compute[0], {});
  EXPECT_EQ(all<CopyPage>(actions).size(), 1u);  // the partial page; the full one is shared
  compute = all<Compute>(actions);
  ASSERT_EQ(compute.at(0).sequences.size(), 2u);
  const auto& sequences = compute[0].sequences;
  EXPECT_EQ(sequences[0].first, 70u);
  EXPECT_EQ(sequences[0].pages[0], sequences[1].pages[0]);
  EXPECT_NE(sequences[0].pages[1], sequences[1].pages[1]);
  EXPECT_EQ(sequences[1].choice, 1u);
  EXPECT_EQ(state_.pool().references(sequences[0].pages[0]), 2u);
  answer(compute[0], {simulation::kEndToken});
  EXPECT_EQ(free_pages(), 8u);
}

TEST_F(DecodeStateTest, AcceptedTokensAfterTheEndAreNeverSaid) {
  RequestState state = request(1, 1);
  auto compute = all<Compute>(submit(state));
  StepDone done{compute.at(0).step, {model::SequenceResult{{{3, 0, {}, {}}}, {5}, {}, {}}}};
  compute = all<Compute>(step(done));
  ASSERT_EQ(compute.at(0).sequences.at(0).drafts.size(), 1u);
  const auto last = to_gateway<Progress>(answer(compute[0], {simulation::kEndToken, 5}));
  ASSERT_EQ(last.at(0).tokens.size(), 1u);
  EXPECT_EQ(last[0].tokens[0].finish, FinishReason::stop);
}

TEST_F(DecodeStateTest, LogitsThatAreNoNumbersEndTheirRequestAlone) {
  auto compute = all<Compute>(submit(request(1, 1)));
  submit(request(2, 1));
  compute = all<Compute>(answer(compute.at(0), {3}));
  ASSERT_EQ(compute.at(0).sequences.size(), 2u);
  StepDone done{compute[0].step, {}};
  for (const float logprob : {std::nanf(""), 0.0f})
    done.results.push_back({{{4, logprob, {}, {}}}, {}, {}, {}});
  const Actions actions = step(done);
  const auto gave_up = to_gateway<GaveUp>(actions);
  ASSERT_EQ(gave_up.size(), 1u);
  EXPECT_EQ(gave_up[0].request, RequestId{1});
  EXPECT_EQ(gave_up[0].why, GiveUp::place_again);
  EXPECT_EQ(to_gateway<Progress>(actions).at(0).request, RequestId{2});
  EXPECT_EQ(state_.live(), 1u);
}

TEST_F(DecodeStateTest, KnownTokensAreReplayedNotSaidAgainAndEndedChoicesStayEnded) {
  RequestState state = request(1, 1, 2);
  state.known = {{3, 4}, {simulation::kEndToken}};
  auto compute = all<Compute>(submit(state));
  ASSERT_EQ(compute.at(0).sequences.size(), 1u);
  EXPECT_EQ(compute[0].sequences[0].tokens.size(), 3u);  // the prompt's last and two known
  const auto progress = to_gateway<Progress>(answer(compute[0], {6}));
  ASSERT_EQ(progress.at(0).tokens.size(), 1u);
  EXPECT_EQ(progress[0].tokens[0].index, 2u);
}

TEST_F(DecodeStateTest, APromptThatIsFilledHereIsScoredHereAndARequestForNoTokensEndsWithThat) {
  RequestState state = request(1, 100, 2, 0);
  state.report.prompt_logprobs = 3;
  Actions actions = submit(state);
  uint32_t scored = 0;
  for (auto compute = all<Compute>(actions); !compute.empty(); compute = all<Compute>(actions)) {
    EXPECT_EQ(compute[0].sequences.at(0).score, 3u);
    actions = answer(compute[0], {});
    const auto progress = to_gateway<Progress>(actions);
    ASSERT_FALSE(progress.empty());
    EXPECT_EQ(progress[0].scores.value().first, scored + 1);
    scored += static_cast<uint32_t>(progress[0].scores->scores.size());
  }
  EXPECT_EQ(scored, 99u);
  EXPECT_TRUE(to_gateway<Progress>(actions).back().times.has_value()) << "it is over";
  EXPECT_EQ(state_.live(), 0u);
  EXPECT_EQ(free_pages(), 8u);
  EXPECT_EQ(state_.counts().finished, 1u);
}

TEST_F(DecodeStateTest, OneTokenHasNothingToScore) {
  RequestState state = request(1, 1, 1, 0);
  state.report.prompt_logprobs = 0;
  EXPECT_TRUE(to_gateway<Progress>(submit(state)).at(0).times.has_value());
  EXPECT_EQ(state_.live(), 0u);
}

TEST_F(DecodeStateTest, WhenItsBudgetIsSpentReasoningIsEndedAndTheTokenAfterIsFree) {
  RequestState state = request(1, 1);
  state.parts = {Part::reasoning, {{20, Part::content}}, 2};
  auto compute = all<Compute>(submit(state));
  EXPECT_EQ(compute.at(0).sequences[0].forced, std::nullopt);
  compute = all<Compute>(answer(compute[0], {3}));
  EXPECT_EQ(compute.at(0).sequences[0].forced, std::nullopt);
  compute = all<Compute>(answer(compute[0], {3}));
  EXPECT_EQ(compute.at(0).sequences[0].forced, 20u);
  compute = all<Compute>(answer(compute[0], {20}));
  EXPECT_EQ(compute.at(0).sequences[0].forced, std::nullopt);
}

TEST_F(DecodeStateTest, ACancelFreesAtOnceButForThePagesThatTheStepReads) {
  submit(request(1, 1));
  step(GatewaySaid{kGateway, Cancel{RequestId{1}, Attempt{1}}});
  EXPECT_EQ(state_.live(), 0u);
  EXPECT_EQ(free_pages(), 7u);
  step(StepDone{StepId{1}, {model::SequenceResult{{{3, 0, {}, {}}}, {}, {}, {}}}});
  EXPECT_EQ(free_pages(), 8u);
}

TEST_F(DecodeStateTest, ALostGatewayCancelsItsRequestsAndNoOthers) {
  submit(request(1, 1));
  step(GatewaySaid{LinkId{2}, Submit{kSelf, request(2, 1), std::nullopt}});
  step(GatewayDown{kGateway});
  EXPECT_EQ(state_.live(), 1u);
}

TEST_F(DecodeStateTest, ALaterAttemptReplacesTheFormerAndAnEarlierIsIgnored) {
  submit(request(1, 1));
  RequestState again = request(1, 1);
  again.attempt = Attempt{2};
  submit(again);
  EXPECT_EQ(state_.counts().cancelled, 1u);
  submit(request(1, 1));
  EXPECT_EQ(state_.live(), 1u);
  step(GatewaySaid{kGateway, Cancel{RequestId{1}, Attempt{1}}});
  EXPECT_EQ(state_.live(), 1u);  // the cancel of an attempt that is over
}

TEST_F(DecodeStateTest, WhatItCantServeIsRefusedWithAReasonOfItsKind) {
  const auto why = [](const Actions& actions) { return to_gateway<GaveUp>(actions).at(0).why; };
  Submit elsewhere{Incarnation{6}, request(1, 1), std::nullopt};
  EXPECT_EQ(why(step(GatewaySaid{kGateway, elsewhere})), GiveUp::place_again);
  EXPECT_EQ(why(submit(request(1, 2000))), GiveUp::invalid);
  for (const uint64_t id : {1, 2, 3}) submit(request(id, 1));
  EXPECT_EQ(why(submit(request(4, 1))), GiveUp::full);
  step(Drain{});
  EXPECT_EQ(why(submit(request(5, 1))), GiveUp::draining);
}

TEST_F(DecodeStateTest, ARequestThatFindsNoPagesWaitsThenIsGivenUp) {
  submit(request(1, 64 * 7, 1, 1));
  submit(request(2, 64 * 2, 1, 1));
  EXPECT_EQ(state_.load().pages.free, 0u);  // what is promised is not free
  const auto gave_up = to_gateway<GaveUp>(after(10s));
  ASSERT_EQ(gave_up.size(), 1u);
  EXPECT_EQ(gave_up[0].why, GiveUp::full);
  EXPECT_EQ(gave_up[0].request, RequestId{2});
}

// Requests are admitted with room for eight tokens a choice; the pool has eight pages.
class GrowingTest : public DecodeStateTest {
 protected:
  GrowingTest() : DecodeStateTest(8) {}
  // Steps until the last one's `done`, every sequence saying token 3; returns what was said.
  template <class Done>
  std::vector<GaveUp> run(Actions actions, Done done) {
    std::vector<GaveUp> said = to_gateway<GaveUp>(actions);
    for (int steps = 0; !done() && steps < 1000; ++steps) {
      const auto compute = all<Compute>(actions);
      if (compute.empty()) break;
      now_ += 1ms;
      actions = answer(compute.back(), {3});
      for (const GaveUp& gave_up : to_gateway<GaveUp>(actions)) said.push_back(gave_up);
    }
    return said;
  }
};

TEST_F(GrowingTest, AnAnswerGetsItsPagesAsItGrows) {
  const Actions actions = submit(request(1, 10, 1, 300));
  EXPECT_EQ(free_pages(), 7u) << "room for its prompt and eight tokens";
  run(actions, [&] { return state_.counts().tokens >= 100; });
  EXPECT_EQ(free_pages(), 6u);
  EXPECT_TRUE(run(submit(request(9, 1, 1, 1)), [&] { return false; }).empty());
}

TEST_F(GrowingTest, WithoutAFreePageTheYoungestGivesWay) {
  RequestState old = request(1, 10, 1, 500), young = request(2, 10, 1, 500);
  old.age = 5s;  // placed again: it came last, and it is the older one
  young.age = 1s;
  Actions actions = submit(young);
  submit(old);
  const auto said = run(actions, [&] { return state_.counts().preempted > 0; });
  ASSERT_EQ(said.size(), 1u);
  EXPECT_EQ(said[0].request, RequestId{2});
  EXPECT_EQ(said[0].why, GiveUp::preempted);
  EXPECT_FALSE(said[0].blame);
  EXPECT_GE(free_pages(), 3u) << "all but what the old one has";
}

TEST_F(GrowingTest, TheLessUrgentGivesWayBeforeTheYounger) {
  RequestState idle = request(1, 10, 1, 500), urgent = request(2, 10, 1, 500);
  idle.age = 1s;
  idle.priority = 5;
  Actions actions = submit(idle);
  submit(urgent);
  const auto said = run(actions, [&] { return state_.counts().preempted > 0; });
  ASSERT_EQ(said.size(), 1u);
  EXPECT_EQ(said[0].request, RequestId{1});
}

TEST_F(DecodeStateTest, ASilentRequestSaysThatItLivesAndEndsAtItsDeadline) {
  RequestState state = request(1, 1);
  state.time_left = Duration(3s);
  submit(state);
  EXPECT_EQ(to_gateway<Progress>(after(1s)).size(), 1u);
  EXPECT_EQ(to_gateway<GaveUp>(after(2s)).at(0).why, GiveUp::deadline);
}

TEST_F(DecodeStateTest, ALostPrefillIsBlamed) {
  EXPECT_EQ(all<TellPrefill>(submit(request(1, 100), kPrefill)).size(), 1u);
  const auto gave_up = to_gateway<GaveUp>(step(PrefillDown{kPrefill.incarnation}));
  EXPECT_EQ(gave_up.at(0).why, GiveUp::place_again);
  EXPECT_EQ(gave_up[0].blame, kPrefill.incarnation);
}

TEST_F(DecodeStateTest, DrainingFinishesWhatRunsAndGivesBackWhatIsLeftAtItsEnd) {
  const auto compute = all<Compute>(submit(request(1, 1)));
  EXPECT_TRUE(all<Drained>(step(Drain{})).empty());
  const Actions end = after(60s);
  EXPECT_EQ(to_gateway<GaveUp>(end).at(0).why, GiveUp::draining);
  EXPECT_TRUE(all<Drained>(end).empty());  // the step still reads
  EXPECT_EQ(all<Drained>(answer(compute.at(0), {3})).size(), 1u);
}

TEST_F(DecodeStateTest, EveryDrainIsAnsweredAlsoOneThatComesWhenNothingIsLeft) {
  EXPECT_EQ(all<Drained>(step(Drain{})).size(), 1u);
  EXPECT_TRUE(all<Drained>(after(1s)).empty());
  EXPECT_EQ(all<Drained>(step(Drain{})).size(), 1u);
}

TEST_F(DecodeStateTest, BeatsListWhatTheLoadIncludes) {
  const auto beats = all<Beat>(submit(request(1, 100), kPrefill));
  ASSERT_EQ(beats.size(), 1u);
  EXPECT_EQ(beats[0].accepted, (std::vector{std::pair(RequestId{1}, Attempt{1})}));
  EXPECT_EQ(beats[0].load.pages.reserved, 2u);  // promised, though not yet asked for
}

class DecodeStateFormTest : public DecodeStateTest {
 protected:
  RequestState constrained(uint64_t id, const std::string& regex) {
    RequestState state = request(id, 1);
    state.constraint = ConstraintParams{.form = ConstraintParams::Form::regex, .text = regex};
    return state;
  }
  Actions compiled(const CompileForm& order) {
    auto made = constraint::Language::compile(order.key.first, order.key.second, vocabulary_);
    if (!made) return step(FormCompiled{order.key, made.error()});
    return step(FormCompiled{order.key, std::shared_ptr<constraint::Language>(std::move(*made))});
  }
  const text::Tokenizer texts_ = simulation::fake_tokenizer();
  const constraint::TokenTrie vocabulary_{form_bytes(texts_, simulation::kVocabulary)};
};

TEST_F(DecodeStateFormTest, AFormIsCompiledOnceBeforeItsRequestsGoOn) {
  const auto orders = all<CompileForm>(submit(constrained(1, "B")));
  ASSERT_EQ(orders.size(), 1u);
  EXPECT_TRUE(all<CompileForm>(submit(constrained(2, "B"))).empty());
  EXPECT_EQ(free_pages(), 8u);
  auto compute = all<Compute>(compiled(orders[0]));
  ASSERT_EQ(compute.size(), 1u);
  ASSERT_EQ(compute[0].sequences.size(), 2u);
  EXPECT_EQ(compute[0].sequences[0].masks[0], 0b10u);
  const auto actions = answer(compute[0], {1});
  compute = all<Compute>(actions);
  ASSERT_EQ(compute.size(), 1u);
  EXPECT_EQ(compute[0].sequences[0].masks[0], uint64_t{1} << simulation::kEndToken);
  const auto progress = to_gateway<Progress>(answer(compute[0], {simulation::kEndToken}));
  ASSERT_EQ(progress.size(), 2u);
  EXPECT_EQ(progress[0].tokens[0].finish, FinishReason::stop);
  EXPECT_TRUE(all<CompileForm>(submit(constrained(3, "B"))).empty()) << "it is known by now";
}

TEST_F(DecodeStateFormTest, OneThatCanNotBeCompiledGivesItsRequestsUp) {
  const auto orders = all<CompileForm>(submit(constrained(1, "(")));
  ASSERT_EQ(orders.size(), 1u);
  const auto given_up = to_gateway<GaveUp>(compiled(orders[0]));
  ASSERT_EQ(given_up.size(), 1u);
  EXPECT_EQ(given_up[0].why, GiveUp::invalid);
  EXPECT_EQ(state_.live(), 0u);
}

TEST_F(DecodeStateFormTest, AReplayComesToTheSameMask) {
  RequestState state = constrained(1, "ABBA");
  state.known = {{0, 1}};
  state.attempt = Attempt{2};
  const auto orders = all<CompileForm>(submit(state));
  ASSERT_EQ(orders.size(), 1u);
  const auto compute = all<Compute>(compiled(orders[0]));
  ASSERT_EQ(compute.size(), 1u);
  EXPECT_EQ(compute[0].sequences[0].masks[0], 0b10u);
}

TEST_F(DecodeStateFormTest, ACancelledRequestLeavesItsOrderBehind) {
  const auto orders = all<CompileForm>(submit(constrained(1, "B")));
  step(GatewaySaid{kGateway, Cancel{RequestId{1}, Attempt{1}}});
  EXPECT_TRUE(all<Compute>(compiled(orders[0])).empty());
  EXPECT_EQ(state_.live(), 0u);
}

}  // namespace
}  // namespace baton::decode
