#include "scheduler/placement.h"

#include <gtest/gtest.h>

#include "tests/scheduler/cluster.h"

namespace baton::scheduler {
namespace {

class PlacementTest : public testing::Test {
 protected:
  void join(const Heartbeat& heartbeat) { registry_.beat(LinkId{1}, heartbeat, kStart); }
  std::variant<Placed, NotPlaced> ask(const Place& question) {
    return choose(registry_, charges_, prefixes_, question, limits_, kStart + 1s);
  }
  Placed chosen(const Place& question) { return std::get<Placed>(ask(question)); }
  NotPlaced refused(const Place& question) { return std::get<NotPlaced>(ask(question)); }

  Registry registry_{RegistryLimits{}};
  // A prefill that keeps the pages 1, 2, ... of a prompt.
  void keep(uint64_t incarnation, uint64_t pages, uint64_t end = 0) {
    Heartbeat heartbeat = beat("any", incarnation, Role::prefill);
    heartbeat.prefixes = PrefixChanges{.to = pages, .end = std::max(pages, end)};
    for (uint64_t page = 1; page <= pages; ++page) heartbeat.prefixes->came.push_back(page);
    prefixes_.update(heartbeat, kStart);
  }
  static Place asking_for_pages(uint64_t request, uint64_t pages) {
    Place question = place(request, static_cast<uint32_t>(pages * 64 + 30));
    for (uint64_t page = 1; page <= pages; ++page) question.prefix.push_back(page);
    return question;
  }

  Charges charges_{ChargeLimits{}};
  PrefixView prefixes_{PrefixViewLimits{}};
  PlacementLimits limits_;
};

TEST_F(PlacementTest, TheEmptierDecodeAndTheShorterQueueAreChosenAndTheReasonIsSaid) {
  join(beat("decode-0", 1, Role::decode, 40));
  join(beat("decode-1", 2, Role::decode, 90));
  join(beat("prefill-0", 3, Role::prefill, 100, 500));
  join(beat("prefill-1", 4, Role::prefill, 100, 20));
  const Placed placed = chosen(place(1));
  EXPECT_EQ(placed.decode.name, "decode-1");
  EXPECT_EQ(placed.prefill->name, "prefill-1");
  EXPECT_FALSE(placed.degraded);
  EXPECT_NE(placed.reason.find("20 tokens queued"), std::string::npos) << placed.reason;
}

TEST_F(PlacementTest, ADecodeThatKeepsThePromptIsChosenUntilItIsMuchFuller) {
  join(beat("decode-0", 1, Role::decode, 90));
  join(beat("decode-1", 2, Role::decode, 80));
  join(beat("prefill-0", 3, Role::prefill));
  EXPECT_EQ(chosen(asking_for_pages(1, 4)).decode.name, "decode-0");
  keep(2, 4);
  const Placed placed = chosen(asking_for_pages(2, 4));
  EXPECT_EQ(placed.decode.name, "decode-1");
  EXPECT_NE(placed.reason.find("has 256 of the prompt's 286"), std::string::npos) << placed.reason;
  EXPECT_TRUE(placed.prefill.has_value()) << "the rest has to come from somewhere";
  join(beat("decode-1", 2, Role::decode, 50));
  EXPECT_EQ(chosen(asking_for_pages(3, 4)).decode.name, "decode-0");
}

TEST_F(PlacementTest, ChargesCountAsLoadSoThatABurstIsSpread) {
  join(beat("decode-0", 1, Role::decode));
  join(beat("decode-1", 2, Role::decode));
  std::map<std::string, int> placed;
  for (uint64_t request = 1; request <= 16; ++request) {
    const Placed answer = chosen(place(request));
    ++placed[answer.decode.name];
    charges_.place(answer, LinkId{1}, burden_of(place(request), PlacementLimits{}), kStart);
  }
  EXPECT_EQ(placed["decode-0"], 8);
  EXPECT_EQ(placed["decode-1"], 8);
  EXPECT_TRUE(refused(place(17)).full);  // running_max is 8 each, and no heartbeat came between
}

TEST_F(PlacementTest, APromptGoesToWhereItsPrefixLies) {
  join(beat("decode-0", 1, Role::decode));
  join(beat("prefill-0", 2, Role::prefill));
  join(beat("prefill-1", 3, Role::prefill));
  keep(2, 1);
  keep(3, 2);
  const Placed placed = chosen(asking_for_pages(1, 4));
  EXPECT_EQ(placed.prefill->name, "prefill-1");
  EXPECT_NE(placed.reason.find("keeps 128 of the prompt's 286"), std::string::npos)
      << placed.reason;
}

TEST_F(PlacementTest, NotIfTheQueueThereCostsMoreThanIsSaved) {
  join(beat("decode-0", 1, Role::decode));
  join(beat("prefill-0", 2, Role::prefill, 100, 10));
  join(beat("prefill-1", 3, Role::prefill, 100, 137));
  keep(3, 2);
  EXPECT_EQ(chosen(asking_for_pages(1, 4)).prefill->name, "prefill-1");
  join(beat("prefill-1", 3, Role::prefill, 100, 139));
  EXPECT_EQ(chosen(asking_for_pages(1, 4)).prefill->name, "prefill-0");
}

TEST_F(PlacementTest, SaysSoIfItDoesNotKnowWhatIsKept) {
  join(beat("decode-0", 1, Role::decode));
  join(beat("prefill-0", 2, Role::prefill));
  Heartbeat silent = beat("prefill-0", 2, Role::prefill);
  silent.load.pages.cached = 9;
  prefixes_.update(silent, kStart - 10s);
  EXPECT_NE(chosen(asking_for_pages(1, 4)).reason.find("is not known"), std::string::npos);
}

TEST_F(PlacementTest, OnlyInstancesWhoseManifestsAgreeArePaired) {
  join(beat("decode-0", 1, Role::decode));
  Heartbeat other = beat("prefill-0", 2, Role::prefill);
  other.manifest.numeric_revision = 2;
  join(other);
  EXPECT_TRUE(chosen(place(1)).degraded);
  join(beat("prefill-1", 3, Role::prefill, 100, 9999));
  EXPECT_EQ(chosen(place(1)).prefill->name, "prefill-1");
}

TEST_F(PlacementTest, WithoutAPrefillDecodeServesAloneAndSaysItIsDegraded) {
  join(beat("decode-0", 1, Role::decode));
  const Placed placed = chosen(place(1));
  EXPECT_FALSE(placed.prefill.has_value());
  EXPECT_TRUE(placed.degraded);
}

TEST_F(PlacementTest, APromptOfOneTokenNeedsNoPrefillAndIsNotDegraded) {
  join(beat("decode-0", 1, Role::decode));
  join(beat("prefill-0", 2, Role::prefill));
  const Placed placed = chosen(place(1, 1));
  EXPECT_FALSE(placed.prefill.has_value());
  EXPECT_FALSE(placed.degraded);
}

TEST_F(PlacementTest, DrainingAndStaleInstancesGetNothing) {
  Heartbeat draining = beat("decode-0", 1, Role::decode);
  draining.draining = true;
  join(draining);
  EXPECT_FALSE(refused(place(1)).full);
  join(beat("decode-1", 2, Role::decode));
  EXPECT_EQ(chosen(place(1)).decode.name, "decode-1");
  registry_.link_down(LinkId{1});
  EXPECT_FALSE(refused(place(1)).full);
}

TEST_F(PlacementTest, ADecodeToAvoidIsTakenOnlyIfThereIsNoOtherAndAPrefillNever) {
  join(beat("decode-0", 1, Role::decode));
  join(beat("prefill-0", 2, Role::prefill));
  Place question = place(1);
  question.avoid = {Incarnation{1}, Incarnation{2}};
  EXPECT_EQ(chosen(question).decode.name, "decode-0");
  EXPECT_FALSE(chosen(question).prefill.has_value());
  join(beat("decode-1", 3, Role::decode, 10));
  EXPECT_EQ(chosen(question).decode.name, "decode-1");
}

TEST_F(PlacementTest, WhatNoInstanceCouldEverHoldGoesToTheLargestToBeJudgedNotToTryAgain) {
  join(beat("decode-0", 1, Role::decode));
  Heartbeat larger = beat("decode-1", 2, Role::decode, 0);
  larger.load.pages.total = 120;
  join(larger);
  Place question = place(1);
  question.max_new_tokens = 64 * 120;
  EXPECT_EQ(chosen(question).decode.name, "decode-1");
  question.max_new_tokens = 64 * 120 - 99;  // would fit there, with all pages, but not now
  EXPECT_TRUE(refused(question).full);
}

TEST_F(PlacementTest, AFullClusterSaysWhenThereWillBeRoomAsMeasured) {
  join(beat("decode-0", 1, Role::decode, 0));
  EXPECT_EQ(refused(place(1)).retry_after, limits_.retry_after_default);  // nothing measured yet
  for (uint64_t request = 1; request <= 2; ++request) {
    Placed answer{RequestId{request}, Attempt{1}, Peer{"decode-0", Incarnation{1}, ""}};
    charges_.place(answer, LinkId{1}, Burden{1, 1, 0}, kStart);
    charges_.forget(RequestId{request}, Attempt{1}, kStart + (request - 1) * 1s);
  }
  const NotPlaced answer = refused(place(3));  // needs 2 pages; 2 a second came free
  EXPECT_TRUE(answer.full);
  EXPECT_NEAR(to_seconds(answer.retry_after), 1.0, 0.01);
}

}  // namespace
}  // namespace baton::scheduler
