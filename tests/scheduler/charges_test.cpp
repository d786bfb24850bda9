#include "scheduler/charges.h"

#include <gtest/gtest.h>

#include "scheduler/invariants.h"
#include "tests/scheduler/cluster.h"

namespace baton::scheduler {
namespace {

constexpr Incarnation kDecode{1}, kPrefill{2};
constexpr Burden kBurden{1, 5, 100};

Placed placed(uint64_t request, uint32_t attempt = 1) {
  return {RequestId{request},
          Attempt{attempt},
          Peer{"decode-0", kDecode, "d"},
          Peer{"prefill-0", kPrefill, "p"},
          false,
          "because"};
}

class ChargesTest : public testing::Test {
 protected:
  ChargesTest() { charges_.place(placed(1), LinkId{9}, kBurden, kStart); }
  void TearDown() override { EXPECT_EQ(broken_invariant(charges_), std::nullopt); }
  Charges charges_{ChargeLimits{.charge_max = 30s, .placements_max = 3}};
};

TEST_F(ChargesTest, APlacementIsChargedToBothSidesAtOnce) {
  EXPECT_EQ(charges_.charged(kDecode), kBurden);
  EXPECT_EQ(charges_.charged(kPrefill), kBurden);
}

TEST_F(ChargesTest, AnAcknowledgementLiftsOneSideOnly) {
  charges_.acknowledge(kDecode, {{RequestId{1}, Attempt{1}}});
  EXPECT_EQ(charges_.charged(kDecode), Burden{});
  EXPECT_EQ(charges_.charged(kPrefill), kBurden);
}

TEST_F(ChargesTest, AnAcknowledgementOfAnotherAttemptLiftsNothing) {
  charges_.acknowledge(kDecode, {{RequestId{1}, Attempt{2}}});
  EXPECT_EQ(charges_.charged(kDecode), kBurden);
}

TEST_F(ChargesTest, ForgettingLiftsBothButNotALaterAttempt) {
  charges_.forget(RequestId{1}, Attempt{0}, kStart);
  EXPECT_EQ(charges_.placements(), 1u);
  charges_.forget(RequestId{1}, Attempt{1}, kStart);
  EXPECT_EQ(charges_.placements(), 0u);
  EXPECT_EQ(charges_.charged(kPrefill), Burden{});
}

TEST_F(ChargesTest, AChargeThatNobodyAcknowledgesEndsInTime) {
  EXPECT_EQ(charges_.next_deadline(), kStart + 30s);
  charges_.expire(kStart + 30s);
  EXPECT_EQ(charges_.charged(kDecode), Burden{});
  EXPECT_EQ(charges_.placements(), 1u);  // the record stays, to see when it ends
}

TEST_F(ChargesTest, AGatewayOrAnInstanceThatIsGoneIsNotCharged) {
  charges_.instance_gone(kPrefill);
  EXPECT_EQ(charges_.charged(kPrefill), Burden{});
  EXPECT_EQ(charges_.charged(kDecode), kBurden);
  charges_.gateway_gone(LinkId{9}, kStart);
  EXPECT_EQ(charges_.charged(kDecode), Burden{});
}

TEST_F(ChargesTest, TheRateIsWhatHasEndedLatelyASecond) {
  EXPECT_FALSE(charges_.finish_rate(kStart).has_value());
  charges_.place(placed(2), LinkId{9}, kBurden, kStart);
  charges_.forget(RequestId{1}, Attempt{1}, kStart + 1s);
  charges_.forget(RequestId{2}, Attempt{1}, kStart + 2s);
  const auto rate = charges_.finish_rate(kStart + 5s);
  ASSERT_TRUE(rate.has_value());
  EXPECT_DOUBLE_EQ(rate->requests, 0.5);  // two in the four seconds since the first
  EXPECT_DOUBLE_EQ(rate->pages, 2.5);
}

TEST_F(ChargesTest, IsFullAtItsLimit) {
  charges_.place(placed(2), LinkId{9}, kBurden, kStart);
  EXPECT_FALSE(charges_.full());
  charges_.place(placed(3), LinkId{9}, kBurden, kStart);
  EXPECT_TRUE(charges_.full());
}

}  // namespace
}  // namespace baton::scheduler
