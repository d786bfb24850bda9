#include "scheduler/scheduler_state.h"

#include <gtest/gtest.h>

#include "scheduler/invariants.h"
#include "tests/scheduler/cluster.h"

namespace baton::scheduler {
namespace {

class SchedulerStateTest : public testing::Test {
 protected:
  Actions say(LinkId link, ToScheduler message) { return step(Received{link, std::move(message)}); }
  Actions step(const Event& event) {
    Actions actions = state_.step(event, now_);
    EXPECT_EQ(broken_invariant(state_), std::nullopt);
    return actions;
  }
  template <class Message>
  static std::vector<Message> sent(const Actions& actions, LinkId to) {
    std::vector<Message> messages;
    for (const Action& action : actions) {
      if (!std::holds_alternative<Send>(action)) continue;
      const Send& send = std::get<Send>(action);
      if (send.to != to) continue;
      if (const auto* message = std::get_if<Message>(&send.message)) messages.push_back(*message);
    }
    return messages;
  }

  const LinkId gateway_{1}, worker_{2};
  Instant now_ = kStart;
  SchedulerState state_{SchedulerLimits{}};
};

TEST_F(SchedulerStateTest, EveryHeartbeatIsAnsweredAndAFencedOneToldSo) {
  const auto first = say(worker_, beat("decode-0", 7, Role::decode));
  EXPECT_EQ(sent<HeartbeatSeen>(first, worker_).at(0),
            (HeartbeatSeen{Incarnation{7}, false, 0, {}}));
  say(worker_, beat("decode-0", 8, Role::decode));
  const auto late = say(worker_, beat("decode-0", 7, Role::decode));
  EXPECT_EQ(sent<HeartbeatSeen>(late, worker_).at(0), (HeartbeatSeen{Incarnation{7}, true, 0, {}}));
}

TEST_F(SchedulerStateTest, PrefillIsToldWhichKvstoresAreThere) {
  const auto told = [this] {
    const auto seen =
        sent<HeartbeatSeen>(say(worker_, beat("prefill-0", 9, Role::prefill)), worker_);
    std::vector<std::string> names;
    for (const Peer& store : seen.at(0).kvstores) names.push_back(store.name);
    return names;
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(told(), Names());
  const LinkId one{11}, other{12};
  const auto at_once = sent<HeartbeatSeen>(say(one, beat("kvstore-1", 31, Role::kvstore)), worker_);
  EXPECT_EQ(at_once.at(0).incarnation, Incarnation{9});
  EXPECT_EQ(at_once[0].kvstores.size(), 1u);
  say(other, beat("kvstore-0", 30, Role::kvstore));
  EXPECT_EQ(told(), (Names{"kvstore-0", "kvstore-1"}));
  EXPECT_TRUE(sent<HeartbeatSeen>(say(worker_, beat("decode-0", 7, Role::decode)), worker_)
                  .at(0)
                  .kvstores.empty());
  state_.step(LinkDown{one}, now_);
  EXPECT_EQ(told(), Names{"kvstore-0"}) << "at once";
  Heartbeat back = beat("kvstore-1", 32, Role::kvstore);
  back.peer.address = "elsewhere:1";
  say(one, back);
  EXPECT_EQ(told(), (Names{"kvstore-0", "kvstore-1"}));
  now_ += 5s;
  EXPECT_EQ(told(), Names()) << "they have been silent";
}

TEST_F(SchedulerStateTest, AQuestionPutTwiceIsAnsweredAlikeAndChargedOnce) {
  say(worker_, beat("decode-0", 7, Role::decode));
  const auto once = sent<Placed>(say(gateway_, place(1)), gateway_);
  const auto twice = sent<Placed>(say(gateway_, place(1)), gateway_);
  EXPECT_EQ(once.at(0), twice.at(0));
  EXPECT_EQ(state_.charges().charged(Incarnation{7}).requests, 1u);
}

TEST_F(SchedulerStateTest, ANewAttemptReplacesTheChargeOfTheFormer) {
  say(worker_, beat("decode-0", 7, Role::decode));
  say(gateway_, place(1));
  say(gateway_, place(1, 100, 2));
  EXPECT_EQ(state_.charges().charged(Incarnation{7}).requests, 1u);
  EXPECT_TRUE(sent<Placed>(say(gateway_, place(1)), gateway_).empty());  // too late
}

TEST_F(SchedulerStateTest, ThePlacementIsLiftedByTheHeartbeatThatListsIt) {
  say(worker_, beat("decode-0", 7, Role::decode));
  say(gateway_, place(1));
  Heartbeat heartbeat = beat("decode-0", 7, Role::decode, 90);
  heartbeat.accepted = {{RequestId{1}, Attempt{1}}};
  say(worker_, heartbeat);
  EXPECT_EQ(state_.charges().charged(Incarnation{7}), Burden{});
}

TEST_F(SchedulerStateTest, WatchersSeeEveryChangeOfMembershipAndAViewEverySecond) {
  EXPECT_EQ(sent<ClusterView>(say(gateway_, WatchCluster{}), gateway_).size(), 1u);
  const auto joined = sent<ClusterView>(say(worker_, beat("decode-0", 7, Role::decode)), gateway_);
  ASSERT_EQ(joined.size(), 1u);
  EXPECT_EQ(joined[0].instances.at(0).peer.name, "decode-0");
  EXPECT_TRUE(sent<ClusterView>(say(worker_, beat("decode-0", 7, Role::decode)), gateway_).empty());
  now_ += 1s;
  ASSERT_TRUE(state_.next_deadline().has_value());
  EXPECT_LE(*state_.next_deadline(), now_);
  EXPECT_EQ(sent<ClusterView>(step(Tick{}), gateway_).size(), 1u);
  const auto lost = sent<ClusterView>(step(LinkDown{worker_}), gateway_);
  ASSERT_EQ(lost.size(), 1u);
  EXPECT_TRUE(lost[0].instances[0].stale);
  EXPECT_GT(lost[0].membership, joined[0].membership);
}

TEST_F(SchedulerStateTest, WhatAnInstanceKeepsIsKnownUntilItIsGone) {
  Heartbeat heartbeat = beat("prefill-0", 7, Role::prefill);
  heartbeat.prefixes = PrefixChanges{.to = 2, .end = 2, .came = {1, 2}};
  EXPECT_EQ(sent<HeartbeatSeen>(say(worker_, heartbeat), worker_).at(0).prefixes_seen, 2u);
  const auto view = sent<ClusterView>(say(gateway_, WatchCluster{}), gateway_);
  EXPECT_EQ(view.at(0).instances.at(0).prefixes, 2u);
  EXPECT_FALSE(view[0].instances[0].prefixes_stale);
  now_ += 60s;
  step(Tick{});
  EXPECT_EQ(state_.prefixes().size(Incarnation{7}), 0u);
}

TEST_F(SchedulerStateTest, OnlyWhatIsNotKeptIsCharged) {
  say(worker_, beat("decode-0", 7, Role::decode));
  Heartbeat heartbeat = beat("prefill-0", 8, Role::prefill);
  heartbeat.prefixes = PrefixChanges{.to = 1, .end = 1, .came = {1}};
  say(worker_, heartbeat);
  Place question = place(1, 101);
  question.prefix = {1};
  EXPECT_EQ(sent<Placed>(say(gateway_, question), gateway_).size(), 1u);
  EXPECT_EQ(state_.charges().charged(Incarnation{8}).tokens, 36u);
}

TEST_F(SchedulerStateTest, AnAlarmIsGivenOnceWhenWhatIsKeptIsNotKnown) {
  Heartbeat heartbeat = beat("prefill-0", 7, Role::prefill);
  heartbeat.load.pages.cached = 5;
  size_t alarms = 0;
  for (int i = 0; i < 20; ++i) {
    for (const Action& action : say(worker_, heartbeat))
      if (const auto* alarm = std::get_if<Alarm>(&action)) {
        EXPECT_EQ(alarm->instance, "prefill-0");
        ++alarms;
      }
    now_ += 1s;
  }
  EXPECT_EQ(alarms, 1u);
  heartbeat.prefixes = PrefixChanges{.to = 5, .end = 5, .came = {1, 2, 3, 4, 5}};
  say(worker_, heartbeat);
  EXPECT_FALSE(state_.prefixes().late(Incarnation{7}, now_));
}

TEST_F(SchedulerStateTest, AGatewayThatIsGoneIsNeitherChargedForNorTold) {
  say(worker_, beat("decode-0", 7, Role::decode));
  say(gateway_, WatchCluster{});
  say(gateway_, place(1));
  step(LinkDown{gateway_});
  EXPECT_EQ(state_.charges().placements(), 0u);
  now_ += 5s;
  EXPECT_TRUE(sent<ClusterView>(step(Tick{}), gateway_).empty());
}

}  // namespace
}  // namespace baton::scheduler
