#include "scheduler/registry.h"

#include <gtest/gtest.h>

#include "scheduler/invariants.h"
#include "tests/scheduler/cluster.h"

namespace baton::scheduler {
namespace {

using Outcome = Registry::Outcome;

class RegistryTest : public testing::Test {
 protected:
  void TearDown() override { EXPECT_EQ(broken_invariant(registry_), std::nullopt); }
  Registry registry_{RegistryLimits{.stale_after = 2s, .gone_after = 10s, .instances_max = 2}};
};

TEST_F(RegistryTest, AnInstanceJoinsWithItsFirstHeartbeatAndMembershipGrows) {
  EXPECT_EQ(registry_.beat(LinkId{1}, beat("decode-0", 7, Role::decode), kStart).outcome,
            Outcome::joined);
  EXPECT_EQ(registry_.membership(), 1u);
  EXPECT_EQ(registry_.beat(LinkId{1}, beat("decode-0", 7, Role::decode), kStart).outcome,
            Outcome::known);
  EXPECT_EQ(registry_.membership(), 1u);
}

TEST_F(RegistryTest, AKvstoreThatComesOrGoesChangesNoMembership) {
  registry_.beat(LinkId{1}, beat("decode-0", 7, Role::decode), kStart);
  registry_.beat(LinkId{2}, beat("kvstore-0", 8, Role::kvstore), kStart);
  registry_.beat(LinkId{3}, beat("kvstore-0", 9, Role::kvstore), kStart + 1s);
  registry_.link_down(LinkId{3});
  EXPECT_EQ(registry_.instances().size(), 2u);
  registry_.beat(LinkId{1}, beat("decode-0", 7, Role::decode), kStart + 10s);
  registry_.sweep(kStart + 11s);
  EXPECT_EQ(registry_.instances().size(), 1u);
  EXPECT_EQ(registry_.membership(), 1u);
}

TEST_F(RegistryTest, ALaterLifeOfANameFencesTheFormerForGood) {
  registry_.beat(LinkId{1}, beat("decode-0", 7, Role::decode), kStart);
  const auto second = registry_.beat(LinkId{2}, beat("decode-0", 8, Role::decode), kStart);
  EXPECT_EQ(second.outcome, Outcome::joined);
  EXPECT_EQ(second.replaced, Incarnation{7});
  EXPECT_EQ(registry_.beat(LinkId{1}, beat("decode-0", 7, Role::decode), kStart).outcome,
            Outcome::fenced);
  EXPECT_EQ(registry_.find(Incarnation{7}), nullptr);
}

TEST_F(RegistryTest, AFormerLifeThatDrainsNeverReplacesTheOneThatServes) {
  registry_.beat(LinkId{2}, beat("decode-0", 8, Role::decode), kStart);
  Heartbeat former = beat("decode-0", 7, Role::decode);  // fenced before the scheduler restarted
  former.draining = true;
  const auto outcome = registry_.beat(LinkId{1}, former, kStart);
  EXPECT_EQ(outcome.outcome, Outcome::fenced);
  EXPECT_EQ(outcome.replaced, std::nullopt);
  EXPECT_NE(registry_.find(Incarnation{8}), nullptr);
  EXPECT_EQ(registry_.beat(LinkId{2}, beat("decode-0", 8, Role::decode), kStart).outcome,
            Outcome::known);
}

TEST_F(RegistryTest, LateHeartbeatsMakeAnInstanceStaleThenGone) {
  registry_.beat(LinkId{1}, beat("decode-0", 7, Role::decode), kStart);
  EXPECT_EQ(registry_.next_deadline(), kStart + 2s);
  EXPECT_TRUE(registry_.sweep(kStart + 2s).empty());
  EXPECT_TRUE(registry_.find(Incarnation{7})->stale);
  EXPECT_EQ(registry_.sweep(kStart + 10s), std::vector{Incarnation{7}});
  EXPECT_EQ(registry_.membership(), 3u);
}

TEST_F(RegistryTest, ALostLinkMakesStaleAtOnceAndAHeartbeatFreshAgain) {
  registry_.beat(LinkId{1}, beat("decode-0", 7, Role::decode), kStart);
  registry_.link_down(LinkId{1});
  EXPECT_TRUE(registry_.find(Incarnation{7})->stale);
  registry_.beat(LinkId{2}, beat("decode-0", 7, Role::decode), kStart + 1s);
  EXPECT_FALSE(registry_.find(Incarnation{7})->stale);
}

TEST_F(RegistryTest, BeyondItsLimitItRefuses) {
  registry_.beat(LinkId{1}, beat("a", 1, Role::decode), kStart);
  registry_.beat(LinkId{1}, beat("b", 2, Role::decode), kStart);
  EXPECT_EQ(registry_.beat(LinkId{1}, beat("c", 3, Role::decode), kStart).outcome, Outcome::full);
}

}  // namespace
}  // namespace baton::scheduler
