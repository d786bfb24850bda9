#include "server/relay/gateway_state.h"

#include <gtest/gtest.h>

#include "server/relay/invariants.h"

namespace baton::server {
namespace {

class GatewayStateTest : public testing::Test {
 protected:
  GatewayStateTest() { step(SchedulerUp{}); }

  Actions step(const Event& event) {
    Actions actions = state_.step(event, now_);
    EXPECT_EQ(broken_invariant(state_), std::nullopt);
    return actions;
  }
  Actions after(Duration time) {
    now_ += time;
    return step(Tick{});
  }
  Actions begin(uint32_t choices = 1, Duration time_left = 60s,
                std::optional<uint32_t> scores = std::nullopt, uint32_t max_tokens = 5) {
    RequestState request;
    request.id = kRequest;
    request.prompt = {1, 2, 3};
    request.choices = choices;
    request.stop.max_tokens = max_tokens;
    request.report.prompt_logprobs = scores;
    return step(Begin{request, time_left});
  }
  Actions place(uint32_t attempt = 1, Peer on = kFirst) {
    return step(SchedulerSaid{Placed{kRequest, Attempt{attempt}, on, std::nullopt, false, "why"}});
  }
  static TokenEvent token(uint32_t index, bool last = false, ChoiceIndex choice = 0) {
    TokenEvent event;
    event.choice = choice;
    event.index = index;
    event.token = 100 + index;
    if (last) event.finish = FinishReason::stop;
    return event;
  }
  Actions say(std::vector<TokenEvent> tokens, uint32_t attempt = 1, Peer from = kFirst) {
    return step(DecodeSaid{from, Progress{kRequest, Attempt{attempt}, std::move(tokens), {}, {}}});
  }
  template <class Wanted>
  static std::vector<Wanted> all(const Actions& actions) {
    std::vector<Wanted> found;
    for (const Action& action : actions)
      if (const auto* wanted = std::get_if<Wanted>(&action)) found.push_back(*wanted);
    return found;
  }
  template <class Message>
  static std::vector<Message> to_scheduler(const Actions& actions) {
    std::vector<Message> found;
    for (const auto& tell : all<TellScheduler>(actions))
      if (const auto* message = std::get_if<Message>(&tell.message)) found.push_back(*message);
    return found;
  }
  template <class Message>
  static std::vector<Message> to_decode(const Actions& actions) {
    std::vector<Message> found;
    for (const auto& tell : all<TellDecode>(actions))
      if (const auto* message = std::get_if<Message>(&tell.message)) found.push_back(*message);
    return found;
  }

  static constexpr RequestId kRequest{42};
  inline static const Peer kFirst{"decode-0", Incarnation{1}, "d0"};
  inline static const Peer kSecond{"decode-1", Incarnation{2}, "d1"};
  Instant now_{Duration(100s)};
  GatewayState state_{GatewayLimits{.requests_max = 2, .attempts_max = 3}};
};

TEST_F(GatewayStateTest, ARequestIsPlacedSubmittedDeliveredAndFinishedOnce) {
  EXPECT_EQ(to_scheduler<Place>(begin()).at(0).max_new_tokens, 5u);
  const auto submits = to_decode<Submit>(place());
  EXPECT_EQ(submits.at(0).to, Incarnation{1});
  EXPECT_EQ(submits.at(0).request.time_left, Duration(60s));
  EXPECT_EQ(all<Deliver>(say({token(0), token(1)})).at(0).tokens.size(), 2u);
  const Actions last = say({token(2, true)});
  EXPECT_EQ(all<Finished>(last).at(0).usage, (Usage{3, 3}));
  EXPECT_EQ(to_scheduler<Forget>(last).size(), 1u);
  EXPECT_TRUE(all<Finished>(say({token(2, true)})).empty());
  EXPECT_EQ(state_.live(), 0u);
}

TEST_F(GatewayStateTest, DuplicatesAreDroppedAndTheRestOfTheMessageCounts) {
  begin();
  place();
  say({token(0)});
  const auto delivered = all<Deliver>(say({token(0), token(1)}));
  ASSERT_EQ(delivered.size(), 1u);
  EXPECT_EQ(delivered[0].tokens.at(0).index, 1u);
  EXPECT_EQ(state_.counts().duplicates_dropped, 1u);
}

TEST_F(GatewayStateTest, AfterAGapTheRequestIsPlacedAgainWithWhatTheClientHas) {
  begin();
  place();
  say({token(0)});
  const Actions gap = say({token(2)});
  EXPECT_TRUE(all<Deliver>(gap).empty());
  EXPECT_EQ(to_decode<Cancel>(gap).at(0).attempt, Attempt{1});
  EXPECT_EQ(to_scheduler<Place>(gap).at(0).attempt, Attempt{2});
  const auto again = to_decode<Submit>(place(2, kSecond));
  EXPECT_EQ(again.at(0).request.known, (std::vector<std::vector<TokenId>>{{100}}));
}

TEST_F(GatewayStateTest, ScoresAreDeliveredOnceInOrderWhoeverMakesThem) {
  begin(1, 60s, 2);
  place();
  const auto scores = [&](uint32_t first, uint32_t count, uint32_t attempt, const Peer& from) {
    Progress progress{kRequest, Attempt{attempt}, {}, {}, PromptScoreRun{first, {}}};
    for (uint32_t i = 0; i < count; ++i)
      progress.scores->scores.push_back({{first + i, -1}, 1, {}});
    return step(DecodeSaid{from, std::move(progress)});
  };
  EXPECT_EQ(all<Deliver>(scores(1, 1, 1, kFirst)).at(0).scores->first, 1u);
  const Actions early = say({token(0)});  // a token before all scores are there
  EXPECT_TRUE(all<Deliver>(early).empty());
  place(2, kSecond);
  const auto rest = all<Deliver>(scores(1, 2, 2, kSecond));
  ASSERT_EQ(rest.size(), 1u);
  EXPECT_EQ(rest[0].scores->first, 2u);
  EXPECT_EQ(rest[0].scores->scores.at(0).token.token, 2u);
  EXPECT_EQ(all<Deliver>(say({token(0)}, 2, kSecond)).size(), 1u);
  EXPECT_EQ(to_scheduler<Place>(scores(3, 1, 2, kSecond)).size(), 1u) << "more than the prompt has";
}

TEST_F(GatewayStateTest, ARequestForNoTokensIsOverWhenItIsScored) {
  begin(1, 60s, 0, 0);
  place();
  Progress progress{kRequest, Attempt{1}, {}, DecodeTimes{}, {}};
  EXPECT_TRUE(all<Finished>(step(DecodeSaid{kFirst, progress})).empty()) << "scores are missing";
  place(2, kSecond);
  progress.attempt = Attempt{2};
  progress.scores = PromptScoreRun{1, std::vector<PromptScore>(2)};
  progress.times.reset();
  EXPECT_TRUE(all<Finished>(step(DecodeSaid{kSecond, progress})).empty());
  progress = {kRequest, Attempt{2}, {}, DecodeTimes{.queued = 1ms}, {}};
  now_ += 5ms;
  const auto finished = all<Finished>(step(DecodeSaid{kSecond, progress}));
  ASSERT_EQ(finished.size(), 1u);
  EXPECT_EQ(finished[0].usage, (Usage{3, 0}));
  EXPECT_EQ(sum_of_parts(finished[0].timeline), finished[0].timeline.first_token);
}

TEST_F(GatewayStateTest, AnAttemptThatWasGivenUpIsNeverDeliveredAndToldToCancel) {
  begin();
  place();
  step(DecodeDown{Incarnation{1}});
  place(2, kSecond);
  const Actions stray = say({token(0)}, 1, kFirst);
  EXPECT_TRUE(all<Deliver>(stray).empty());
  EXPECT_EQ(to_decode<Cancel>(stray).at(0).attempt, Attempt{1});
  EXPECT_EQ(all<Deliver>(say({token(0)}, 2, kSecond)).size(), 1u);
}

TEST_F(GatewayStateTest, ALostDecodeIsAvoidedAndSoIsAPrefillThatIsBlamed) {
  begin();
  place();
  const auto first = to_scheduler<Place>(step(DecodeDown{Incarnation{1}}));
  EXPECT_EQ(first.at(0).avoid, std::vector{Incarnation{1}});
  place(2, kSecond);
  step(DecodeSaid{kSecond, GaveUp{kRequest, Attempt{2}, GiveUp::place_again, Incarnation{9}, "x"}});
  const auto second = to_scheduler<Place>(after(1s));
  EXPECT_EQ(second.at(0).avoid, (std::vector{Incarnation{1}, Incarnation{9}}));
}

TEST_F(GatewayStateTest, ASilentDecodeIsGivenUp) {
  begin();
  place();
  EXPECT_TRUE(to_decode<Cancel>(after(4s)).empty());
  say({});  // it lives
  EXPECT_TRUE(to_decode<Cancel>(after(4s)).empty());
  EXPECT_EQ(to_decode<Cancel>(after(1s)).size(), 1u);
}

TEST_F(GatewayStateTest, AttemptsAreBounded) {
  begin();
  place();
  for (uint32_t attempt = 1; attempt <= 2; ++attempt) {
    step(DecodeDown{Incarnation{1}});
    after(3s);
    place(attempt + 1);
  }
  const auto failed = all<Failed>(step(DecodeDown{Incarnation{1}}));
  ASSERT_EQ(failed.size(), 1u);
  EXPECT_EQ(failed[0].why, Failure::unavailable);
}

TEST_F(GatewayStateTest, EachRepeatedPlacementHasOneOutcome) {
  const auto outcomes = [&] {
    const GatewayCounts& counts = state_.counts();
    return std::vector<uint64_t>{counts.placed_again, counts.resumed, counts.lost_again,
                                 counts.left_since};
  };
  using Counts = std::vector<uint64_t>;
  begin();
  place();
  step(DecodeDown{Incarnation{1}});
  place(2, kSecond);
  EXPECT_EQ(outcomes(), (Counts{1, 0, 0, 0})) << "nobody knows yet";
  say({token(0)}, 2, kSecond);
  say({token(1)}, 2, kSecond);
  EXPECT_EQ(outcomes(), (Counts{1, 1, 0, 0}));
  step(DecodeDown{Incarnation{2}});
  after(3s);
  place(3);
  const auto failed = all<Failed>(step(DecodeDown{Incarnation{1}}));
  ASSERT_EQ(failed.size(), 1u);
  EXPECT_EQ(outcomes(), (Counts{2, 1, 1, 0}));
  begin();
  place();
  step(DecodeDown{Incarnation{1}});
  step(ClientGone{kRequest});
  EXPECT_EQ(outcomes(), (Counts{3, 1, 1, 1}));
}

TEST_F(GatewayStateTest, WhoGivesWayToOlderRequestsSpendsNoAttempt) {
  begin();
  Duration age{};
  for (uint32_t attempt = 1; attempt <= 9; ++attempt) {
    const auto submits = to_decode<Submit>(place(attempt));
    EXPECT_TRUE(attempt == 1 || submits.at(0).request.age > age) << "it grows older";
    age = submits.at(0).request.age;
    const Actions actions = step(DecodeSaid{
        kFirst, GaveUp{kRequest, Attempt{attempt}, GiveUp::preempted, std::nullopt, "older"}});
    EXPECT_TRUE(all<Failed>(actions).empty());
    after(3s);
  }
  EXPECT_EQ(state_.counts().preempted, 9u);
}

TEST_F(GatewayStateTest, OnlyAFirstAttemptIsRefusedBecauseTheClusterIsFull) {
  begin();
  const NotPlaced full{kRequest, Attempt{1}, true, 3s, "full"};
  const auto failed = all<Failed>(step(SchedulerSaid{full}));
  ASSERT_EQ(failed.size(), 1u);
  EXPECT_EQ(failed[0].why, Failure::full);
  EXPECT_EQ(failed[0].retry_after, Duration(3s));

  begin();
  place();
  step(DecodeDown{Incarnation{1}});
  EXPECT_TRUE(all<Failed>(step(SchedulerSaid{NotPlaced{kRequest, Attempt{2}, true}})).empty());
  EXPECT_EQ(to_scheduler<Place>(after(2s)).size(), 1u);  // it asks again
}

TEST_F(GatewayStateTest, WithoutASchedulerRequestsWaitForItUntilTheirDeadline) {
  step(SchedulerDown{});
  EXPECT_TRUE(to_scheduler<Place>(begin(1, 30s)).empty());
  after(10s);
  EXPECT_EQ(to_scheduler<Place>(step(SchedulerUp{})).size(), 1u);
  step(SchedulerDown{});
  const auto failed = all<Failed>(after(20s));
  ASSERT_EQ(failed.size(), 1u);
  EXPECT_EQ(failed[0].why, Failure::deadline);
}

TEST_F(GatewayStateTest, AQuestionWithoutAnAnswerIsPutAgain) {
  begin();
  EXPECT_EQ(to_scheduler<Place>(after(2s)).at(0).attempt, Attempt{1});
  EXPECT_EQ(to_decode<Submit>(place()).size(), 1u);
  EXPECT_TRUE(to_decode<Submit>(place()).empty());  // both answers came
}

TEST_F(GatewayStateTest, AClientThatLeavesEndsTheWorkEverywhere) {
  begin();
  place();
  const Actions gone = step(ClientGone{kRequest});
  EXPECT_EQ(to_decode<Cancel>(gone).size(), 1u);
  EXPECT_EQ(to_scheduler<Forget>(gone).size(), 1u);
  EXPECT_TRUE(all<Deliver>(say({token(0)})).empty());
}

TEST_F(GatewayStateTest, AnAnswerForARequestThatHasEndedIsForgotten) {
  begin();
  step(ClientGone{kRequest});
  const Actions late = place();
  EXPECT_EQ(to_scheduler<Forget>(late).size(), 1u);
  EXPECT_TRUE(to_decode<Submit>(late).empty());
}

TEST_F(GatewayStateTest, AllChoicesHaveToEnd) {
  begin(2);
  place();
  EXPECT_TRUE(all<Finished>(say({token(0, true, 0)})).empty());
  EXPECT_EQ(all<Finished>(say({token(0, true, 1)})).size(), 1u);
}

TEST_F(GatewayStateTest, TheTimelineSumsUpAcrossAttempts) {
  begin();
  now_ += 10ms;
  place();
  now_ += 100ms;
  step(DecodeDown{Incarnation{1}});
  now_ += 5ms;
  place(2, kSecond);
  now_ += 50ms;
  Progress progress{kRequest, Attempt{2}, {token(0, true)}, DecodeTimes{1ms, 20ms, 3ms, 2ms, 9ms}};
  const auto finished = all<Finished>(step(DecodeSaid{kSecond, progress}));
  ASSERT_EQ(finished.size(), 1u);
  const Timeline& timeline = finished[0].timeline;
  EXPECT_EQ(timeline.lost, 110ms);
  EXPECT_EQ(timeline.placing, 5ms);
  EXPECT_EQ(timeline.travelled, 15ms);
  EXPECT_EQ(timeline.first_token, 165ms);
  EXPECT_EQ(sum_of_parts(timeline), timeline.first_token);
  EXPECT_EQ(timeline.attempts, 2u);
}

TEST_F(GatewayStateTest, BeyondItsLimitItRefuses) {
  for (const uint64_t id : {1, 2, 3}) {
    RequestState request;
    request.id = RequestId{id};
    request.prompt = {1};
    const auto failed = all<Failed>(step(Begin{request, 60s}));
    EXPECT_EQ(failed.size(), id == 3 ? 1u : 0u);
  }
}

}  // namespace
}  // namespace baton::server
