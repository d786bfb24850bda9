#include "kvcache/handoff.h"

#include <gtest/gtest.h>

#include <set>

#include "kvcache/invariants.h"

namespace baton::kvcache {
namespace {

constexpr PageFormat kFormat{2, 16};
constexpr JobId kJob{7};
constexpr SessionId kSession{0x1234, 0x5678};
constexpr Instant kStart{};

// A pool of eight pages with one open session of 70 tokens: two pages of two layers.
class Handoff : public ::testing::Test {
 protected:
  Handoff() { EXPECT_TRUE(receiver.open(kJob, kSession, 70, kStart)); }
  ~Handoff() override { EXPECT_EQ(broken_invariant(pool, receiver), std::nullopt); }

  FrameHeader frame(uint32_t layer, uint32_t page) const {
    return {kSession, (*receiver.pages(kJob))[page].epoch, layer,
            page,     tokens_in_page(70, page) * 16,       99};
  }
  void land_all() {
    for (const FrameName& name : receiver.missing(kJob, 100)) {
      const FrameHeader f = frame(name.layer, name.page);
      ASSERT_EQ(receiver.admit(f), FrameVerdict::admitted);
      ASSERT_EQ(receiver.landed(f, 99, kStart), FrameVerdict::admitted);
    }
  }
  uint64_t counted(FrameVerdict verdict) const {
    return receiver.frame_counts()[static_cast<size_t>(verdict)];
  }

  PagePool pool{8};
  HandoffReceiver receiver{pool, kFormat, {10s, 60s, 4}};
};

TEST_F(Handoff, OpensOverReservedPagesWithTheirEpochs) {
  ASSERT_EQ(receiver.pages(kJob)->size(), 2u);
  EXPECT_EQ(receiver.tokens(kJob), 70u);
  EXPECT_EQ(pool.counts().reserved, 2u);
  EXPECT_EQ(receiver.missing(kJob, 100), (std::vector<FrameName>{{0, 0}, {0, 1}, {1, 0}, {1, 1}}));
  EXPECT_EQ(receiver.missing(kJob, 3).size(), 3u);
  EXPECT_EQ(receiver.job_of(kSession), kJob);
}

TEST_F(Handoff, OpensAllOrNothingAndNotTwice) {
  EXPECT_FALSE(receiver.open(JobId{8}, {1, 1}, 7 * 64, kStart));
  EXPECT_FALSE(receiver.open(kJob, {1, 1}, 1, kStart));
  EXPECT_EQ(receiver.open_sessions(), 1u);
  EXPECT_EQ(pool.counts().free, 6u);
}

TEST_F(Handoff, CommitsWhenEveryBlockIsVerified) {
  EXPECT_FALSE(receiver.complete(kJob));
  land_all();
  EXPECT_TRUE(receiver.complete(kJob));
  EXPECT_TRUE(receiver.missing(kJob, 100).empty());
  EXPECT_EQ(pool.counts().filling, 2u);
  const auto pages = receiver.commit(kJob, kStart);
  ASSERT_EQ(pages.size(), 2u);
  for (const PageId page : pages) {
    EXPECT_EQ(pool.state(page), PageState::in_use);
    EXPECT_EQ(pool.references(page), 1u);
  }
  EXPECT_EQ(receiver.open_sessions(), 0u);
  EXPECT_FALSE(receiver.complete(kJob));
  EXPECT_FALSE(receiver.open(kJob, {2, 2}, 1, kStart)) << "a late Reserve reopens nothing";
}

TEST_F(Handoff, CommitsAnEmptySessionAtOnce) {
  ASSERT_TRUE(receiver.open(JobId{9}, {9, 9}, 0, kStart));
  EXPECT_TRUE(receiver.complete(JobId{9}));
  EXPECT_TRUE(receiver.commit(JobId{9}, kStart).empty());
}

TEST_F(Handoff, RefusesWhatIsNotTheSessionsAndCountsWhy) {
  FrameHeader f = frame(0, 0);
  f.session.low ^= 1;
  EXPECT_EQ(receiver.admit(f), FrameVerdict::unknown_session);
  f = frame(0, 0);
  f.epoch.value -= 1;
  EXPECT_EQ(receiver.admit(f), FrameVerdict::stale_epoch);
  f = frame(0, 0);
  f.layer = 2;
  EXPECT_EQ(receiver.admit(f), FrameVerdict::out_of_range);
  f = frame(0, 1);
  f.page = 2;
  EXPECT_EQ(receiver.admit(f), FrameVerdict::out_of_range);
  f = frame(0, 1);
  f.length += 16;
  EXPECT_EQ(receiver.admit(f), FrameVerdict::out_of_range);
  f = frame(0, 0);
  receiver.landed(f, 99, kStart);
  EXPECT_EQ(receiver.admit(f), FrameVerdict::duplicate);
  EXPECT_EQ(receiver.frame_counts(), (std::array<uint64_t, kFrameVerdicts>{1, 1, 1, 3, 1, 0}));
}

TEST_F(Handoff, AWrongChecksumVerifiesNothingAndTheFrameMayComeAgain) {
  const FrameHeader f = frame(1, 1);
  ASSERT_EQ(receiver.admit(f), FrameVerdict::admitted);
  EXPECT_EQ(receiver.landed(f, 98, kStart), FrameVerdict::corrupt);
  EXPECT_EQ(counted(FrameVerdict::corrupt), 1u);
  EXPECT_EQ(receiver.missing(kJob, 100).size(), 4u);
  EXPECT_EQ(receiver.admit(f), FrameVerdict::admitted);
  EXPECT_EQ(receiver.landed(f, 99, kStart), FrameVerdict::admitted);
}

TEST_F(Handoff, ALandingAfterTheAbortIsRefused) {
  const FrameHeader f = frame(0, 0);
  ASSERT_EQ(receiver.admit(f), FrameVerdict::admitted);
  receiver.abort(kJob, kStart);
  EXPECT_EQ(receiver.landed(f, 99, kStart), FrameVerdict::unknown_session);
  EXPECT_EQ(pool.counts().free, 8u);
}

TEST_F(Handoff, DistrustAsksForAllLayersOfThePageAgain) {
  land_all();
  receiver.distrust(kJob, 1);
  EXPECT_EQ(receiver.missing(kJob, 100), (std::vector<FrameName>{{0, 1}, {1, 1}}));
  receiver.distrust(kJob, 1);
  EXPECT_FALSE(receiver.complete(kJob));
  land_all();
  EXPECT_EQ(receiver.commit(kJob, kStart).size(), 2u);
}

TEST_F(Handoff, AbortIsIdempotentAndMayOvertakeTheReserve) {
  receiver.abort(kJob, kStart);
  receiver.abort(kJob, kStart);
  EXPECT_EQ(pool.counts().free, 8u);
  EXPECT_TRUE(receiver.has_tombstone(kJob));
  receiver.abort(JobId{8}, kStart);
  EXPECT_FALSE(receiver.open(JobId{8}, {1, 1}, 1, kStart));
}

TEST_F(Handoff, TheLeaseEndsUnlessFramesLandOrThePeerIsAlive) {
  EXPECT_EQ(receiver.next_deadline(), kStart + 10s);
  receiver.landed(frame(0, 0), 99, kStart + 4s);
  EXPECT_EQ(receiver.next_deadline(), kStart + 14s);
  receiver.landed(frame(0, 1), 98, kStart + 9s);
  EXPECT_EQ(receiver.next_deadline(), kStart + 14s) << "a corrupt frame renews nothing";
  receiver.renew(kJob, kStart + 8s);
  EXPECT_TRUE(receiver.expire(kStart + 17s).empty());
  EXPECT_EQ(receiver.expire(kStart + 18s), std::vector<JobId>{kJob});
  EXPECT_EQ(pool.counts().free, 8u);
  EXPECT_TRUE(receiver.has_tombstone(kJob));
  EXPECT_EQ(receiver.next_deadline(), std::nullopt);
}

TEST_F(Handoff, TombstonesAreBoundedInTimeAndNumber) {
  for (uint64_t job = 100; job < 106; ++job) receiver.abort(JobId{job}, kStart + 1s);
  EXPECT_EQ(receiver.tombstones(), 4u);
  EXPECT_FALSE(receiver.has_tombstone(JobId{101}));
  EXPECT_TRUE(receiver.has_tombstone(JobId{102}));
  receiver.renew(kJob, kStart + 60s);
  receiver.expire(kStart + 60s);
  EXPECT_EQ(receiver.tombstones(), 4u);
  receiver.expire(kStart + 61s);
  EXPECT_EQ(receiver.tombstones(), 0u);
}

TEST_F(Handoff, AReusedPageRefusesTheFramesOfItsFormerSession) {
  const FrameHeader old = frame(0, 0);
  receiver.abort(kJob, kStart);
  ASSERT_TRUE(receiver.open(JobId{8}, {8, 8}, 8 * 64, kStart));
  EXPECT_EQ(receiver.admit(old), FrameVerdict::unknown_session);
  FrameHeader forged = old;  // even one that knew the new session's id
  forged.session = {8, 8};
  forged.length = 64 * 16;
  uint32_t reused = 0;
  while ((*receiver.pages(JobId{8}))[reused].epoch == old.epoch) ++reused;
  forged.page = reused;
  EXPECT_EQ(receiver.admit(forged), FrameVerdict::stale_epoch);
}

TEST(HandoffDeath, CommittingWhatIsNotVerifiedStopsTheProcess) {
  PagePool pool(2);
  HandoffReceiver receiver(pool, kFormat, {});
  receiver.open(kJob, kSession, 3, kStart);
  EXPECT_DEATH(receiver.commit(kJob, kStart), "before all its blocks are verified");
  EXPECT_DEATH(receiver.open(JobId{8}, kSession, 3, kStart), "drawn twice");
}

TEST(FrameVerdict, HasANameForEachReason) {
  std::set<std::string> names;
  for (size_t i = 0; i < kFrameVerdicts; ++i) names.insert(to_string(static_cast<FrameVerdict>(i)));
  EXPECT_EQ(names.size(), kFrameVerdicts);
}

TEST_F(Handoff, FirstPagesThatAreWholeCanBeKeptWithoutACommit) {
  EXPECT_EQ(receiver.whole_pages(kJob), 0u);
  for (const FrameName& name : {FrameName{0, 0}, {0, 1}, {1, 1}})
    ASSERT_EQ(receiver.landed(frame(name.layer, name.page), 99, kStart), FrameVerdict::admitted);
  EXPECT_EQ(receiver.whole_pages(kJob), 0u) << "the second is, but not the first";
  ASSERT_EQ(receiver.landed(frame(1, 0), 99, kStart), FrameVerdict::admitted);
  EXPECT_EQ(receiver.whole_pages(kJob), 2u);
  receiver.distrust(kJob, 1);
  EXPECT_EQ(receiver.whole_pages(kJob), 1u);
  const auto kept = receiver.salvage(kJob, 1, kStart);
  ASSERT_EQ(kept.size(), 1u);
  EXPECT_EQ(pool.state(kept[0]), PageState::in_use);
  EXPECT_EQ(pool.counts().free, 7u);
  EXPECT_TRUE(receiver.has_tombstone(kJob));
  EXPECT_TRUE(receiver.salvage(kJob, 0, kStart).empty()) << "it is not open any more";
  EXPECT_EQ(receiver.whole_pages(kJob), 0u);
}

}  // namespace
}  // namespace baton::kvcache
