// What the machine does with a kvstore: when it asks and reads, what it keeps there, and that
// nothing of it can stop a job.
#include "tests/prefill/machine.h"

namespace baton::prefill {
namespace {

class PrefillStoreTest : public PrefillStateTest {
 protected:
  PrefillStoreTest() : PrefillStateTest(store_setup()) { step(StoresKnown{2}); }
  static PrefillSetup store_setup() {
    PrefillSetup setup = make_setup();
    setup.pages = 8;
    setup.limits.keep_pages_max = 3;
    setup.limits.keep_share = 2;
    return setup;
  }
  // The job's question.
  LookUpPages ask(uint64_t job, uint32_t entries) {
    const auto asked = all<LookUpPages>(order(job, entries));
    EXPECT_EQ(asked.size(), 1u);
    return asked.empty() ? LookUpPages{} : asked[0];
  }
  // The job is sealed and committed; what it said of the kvstore.
  Seal finish(uint64_t job, uint32_t pages) {
    step(FramesWritten{SessionId{job, 1}});
    const auto seals = told<Seal>(step(Digested{JobId{job}, std::vector<Digest>(pages)}));
    EXPECT_EQ(seals.size(), 1u);
    say(Commit{JobId{job}, SessionId{job, 1}});
    return seals.empty() ? Seal{} : seals[0];
  }
  // Computes all that is left of the only job; all actions.
  Actions compute_all(Actions actions) {
    Actions sum;
    for (;;) {
      const auto compute = all<Compute>(actions);
      for (Action& action : actions) sum.push_back(std::move(action));
      if (compute.empty()) return sum;
      actions = finish_step(compute[0].step);
    }
  }
  const StoreUseCounts& counts() const { return state_.counts().store; }
};

TEST_F(PrefillStoreTest, PagesOfTheStoreAreReadPostedAsTheyComeAndOnlyTheRestIsComputed) {
  const LookUpPages asked = ask(1, 200);
  EXPECT_EQ(asked.pages.names.size(), 3u) << "full pages only";
  EXPECT_TRUE(all<Compute>(reserve(1, 4)).empty()) << "it waits for the answer";
  const auto reads = all<ReadPages>(step(StoreHeld{asked.order, 2}));
  ASSERT_EQ(reads.size(), 1u);
  EXPECT_EQ(reads[0].pages.names,
            std::vector(asked.pages.names.begin(), asked.pages.names.begin() + 2));
  EXPECT_EQ(reads[0].into.size(), 2u);

  now_ += 2ms;
  const Actions first = step(StorePageCame{asked.order});
  EXPECT_EQ(all<PostFrames>(first).at(0).frames.size(), 2u) << "both layers of the first page";
  EXPECT_TRUE(all<Compute>(first).empty());
  now_ += 2ms;
  const Actions second = step(StorePageCame{asked.order});
  EXPECT_EQ(all<Compute>(second).at(0).sequences.at(0).first, 128u);
  EXPECT_TRUE(step(StoreReadEnded{asked.order}).empty());
  compute_all(second);
  const Seal seal = finish(1, 4);
  EXPECT_EQ(seal.cached, 128u);
  EXPECT_EQ(seal.fetched, 128u);
  EXPECT_EQ(seal.kvstore, "2 of 2 pages were read from the kvstore in 4.0 ms.");
  EXPECT_EQ(counts().queried_tokens, 192u);
  EXPECT_EQ(counts().hit_tokens, 128u);
  EXPECT_EQ(state_.cache().counts().hit_tokens, 0u);
}

TEST_F(PrefillStoreTest, PagesThatComeBeforeTheReservationArePostedWithIt) {
  const LookUpPages asked = ask(1, 128);
  step(StoreHeld{asked.order, 2});
  step(StorePageCame{asked.order});
  EXPECT_TRUE(all<PostFrames>(step(StorePageCame{asked.order})).empty());
  const Actions reserved = reserve(1, 2);
  EXPECT_EQ(all<PostFrames>(reserved).at(0).frames.size(), 4u);
  EXPECT_TRUE(all<Compute>(reserved).empty()) << "nothing is left to compute";
  EXPECT_EQ(all<DigestPages>(reserved).size(), 1u);
  EXPECT_EQ(finish(1, 2).fetched, 128u);
}

TEST_F(PrefillStoreTest, WhatIsKnownHereIsNotAskedFor) {
  const LookUpPages asked = ask(1, 128);
  step(StoreHeld{asked.order, 0});
  compute_all(reserve(1, 2));
  EXPECT_EQ(finish(1, 2).kvstore, "The kvstore has none of 2 pages.");
  EXPECT_TRUE(all<LookUpPages>(order(51, 10)).empty()) << "no full page";
  say(Abort{JobId{51}, ""});
  PrefillJob again{kSelf, JobId{2}, RequestId{2}, Attempt{1}, std::vector<TokenId>(200, 1)};
  EXPECT_EQ(all<LookUpPages>(say(again)).at(0).pages.names.size(), 1u) << "the third page";
}

TEST_F(PrefillStoreTest, APromptThatIsScoredNeitherReadsNorWrites) {
  EXPECT_TRUE(all<LookUpPages>(order(1, 128, 1)).empty());
  EXPECT_TRUE(all<KeepPages>(compute_all(reserve(1, 2))).empty());
}

TEST_F(PrefillStoreTest, AStoreThatCantBeAskedCostsNothing) {
  const LookUpPages asked = ask(1, 128);
  reserve(1, 2);
  compute_all(step(StoreHeld{asked.order, std::nullopt}));
  EXPECT_EQ(finish(1, 2).kvstore, "The kvstore can't be reached: all is computed.");
  EXPECT_EQ(counts().failures, 1u);
}

TEST_F(PrefillStoreTest, AStoreThatDoesNotAnswerInTimeIsForgotten) {
  const LookUpPages asked = ask(1, 128);
  reserve(1, 2);
  EXPECT_TRUE(all<Compute>(after(499ms)).empty());
  const Actions late = after(1ms);
  EXPECT_TRUE(all<ForgetStoreOrder>(late).at(0).late);
  EXPECT_TRUE(step(StoreHeld{asked.order, 2}).empty()) << "too late";
  compute_all(late);
  EXPECT_EQ(finish(1, 2).kvstore, "The kvstore did not answer within 500 ms: all is computed.");
  EXPECT_EQ(counts().timeouts, 1u);
}

TEST_F(PrefillStoreTest, AReadThatTakesTooLongKeepsWhatHasCome) {
  const LookUpPages asked = ask(1, 192);
  reserve(1, 3);
  step(StoreHeld{asked.order, 3});
  step(StorePageCame{asked.order});
  const Actions late = after(5s);
  EXPECT_TRUE(all<ForgetStoreOrder>(late).at(0).late);
  EXPECT_EQ(all<Compute>(late).at(0).sequences.at(0).first, 64u);
  EXPECT_TRUE(step(StorePageCame{asked.order}).empty());
  compute_all(late);
  const Seal seal = finish(1, 3);
  EXPECT_EQ(seal.fetched, 64u);
  EXPECT_NE(seal.kvstore.find("did not come in time"), std::string::npos);
}

TEST_F(PrefillStoreTest, WhatAPageCostsIsMeasuredFromItsTurnOn) {
  const LookUpPages asked = ask(1, 128);
  reserve(1, 2);
  step(StoreHeld{asked.order, 2});
  now_ += 400ms;  // others are read
  step(StoreReadBegan{asked.order});
  now_ += 2ms;
  step(StorePageCame{asked.order});
  now_ += 2ms;
  step(StorePageCame{asked.order});
  EXPECT_NEAR(state_.costs().page_seconds(), 0.002, 1e-6);
}

TEST_F(PrefillStoreTest, AReadThatOnlyWaitedItsTurnSaysNothingOfWhatAPageCosts) {
  const LookUpPages asked = ask(1, 192);
  reserve(1, 3);
  step(StoreHeld{asked.order, 3});
  const Actions late = after(5s);
  EXPECT_EQ(state_.costs().page_seconds(), 0);
  compute_all(late);
  finish(1, 3);

  const LookUpPages second = ask(2, 128);
  reserve(2, 2);
  step(StoreHeld{second.order, 2});
  step(StoreReadBegan{second.order});
  after(5s);
  EXPECT_GT(state_.costs().page_seconds(), 0) << "it was asked for and did not come";
}

TEST_F(PrefillStoreTest, AReadThatEndsEarlyKeepsWhatHasCome) {
  const LookUpPages asked = ask(1, 192);
  reserve(1, 3);
  step(StoreHeld{asked.order, 3});
  step(StorePageCame{asked.order});
  const Actions ended = step(StoreReadEnded{asked.order});
  EXPECT_TRUE(all<ForgetStoreOrder>(ended).empty());
  compute_all(ended);
  EXPECT_EQ(finish(1, 3).cached, 64u);
  EXPECT_EQ(counts().cut_short, 1u);
}

TEST_F(PrefillStoreTest, WhatCostsMoreToReadThanToComputeIsComputedWithTheReason) {
  const LookUpPages first = ask(1, 128);
  reserve(1, 2);
  step(StoreHeld{first.order, 1});
  now_ += 90ms;
  Actions actions = step(StorePageCame{first.order});  // 90 ms a page
  now_ += 1ms;
  compute_all(actions);  // 64 tokens in 1 ms
  finish(1, 2);

  const LookUpPages second = ask(2, 128);
  reserve(2, 2);
  actions = step(StoreHeld{second.order, 2});
  EXPECT_TRUE(all<ReadPages>(actions).empty());
  compute_all(actions);
  EXPECT_EQ(finish(2, 2).kvstore,
            "2 pages of the kvstore would take 180.0 ms to read and 2.0 ms to compute: all is "
            "computed.");
  EXPECT_EQ(counts().declined, 1u);
  now_ += 11s;
  const LookUpPages third = ask(3, 128);
  EXPECT_EQ(all<ReadPages>(step(StoreHeld{third.order, 2})).size(), 1u) << "it is tried again";
}

TEST_F(PrefillStoreTest, AJobThatEndsOrLeavesTheWindowForgetsItsOrderBeforeItsPagesAreFree) {
  const LookUpPages asked = ask(1, 128);
  step(StoreHeld{asked.order, 2});
  const auto left = all<ForgetStoreOrder>(say(NotBefore{JobId{1}, Duration(10ms)}));
  EXPECT_EQ(left.at(0).order, asked.order);
  EXPECT_FALSE(left[0].late);
  EXPECT_EQ(room(), 8u);
  const auto again = all<LookUpPages>(after(10ms));
  ASSERT_EQ(again.size(), 1u);
  EXPECT_NE(again[0].order, asked.order);
  EXPECT_TRUE(step(StorePageCame{asked.order}).empty()) << "of the first visit";
  EXPECT_EQ(all<ForgetStoreOrder>(say(Abort{JobId{1}, "cancelled"})).size(), 1u);
  EXPECT_EQ(room(), 8u);
}

TEST_F(PrefillStoreTest, FinishedPagesAreKeptBehindTheRequestOneBatchAtATime) {
  const LookUpPages asked = ask(1, 200);
  step(StoreHeld{asked.order, 0});
  const Actions computed = compute_all(reserve(1, 4));
  const auto keeps = all<KeepPages>(computed);
  ASSERT_EQ(keeps.size(), 1u) << "the others wait";
  EXPECT_EQ(keeps[0].pages.at(0).name, asked.pages.names[0]);
  finish(1, 4);
  EXPECT_EQ(state_.pool().counts().in_use, 3u) << "held until they are written";
  const auto second = all<KeepPages>(step(PagesKept{1}));
  EXPECT_EQ(second.at(0).pages.at(0).name, asked.pages.names[1]);
  EXPECT_EQ(second[0].pages[0].depth, 1u);
  EXPECT_EQ(all<KeepPages>(step(PagesKept{0})).size(), 1u);
  step(PagesKept{1});
  EXPECT_EQ(state_.pool().counts().in_use, 0u);
  EXPECT_EQ(state_.pool().counts().cached, 4u);
  EXPECT_EQ(counts().kept, 2u);
  EXPECT_EQ(counts().not_kept, 1u);
}

TEST_F(PrefillStoreTest, WhatComesFromTheStoreIsNotWrittenThere) {
  const LookUpPages asked = ask(1, 128);
  reserve(1, 2);
  step(StoreHeld{asked.order, 1});
  const auto keeps = all<KeepPages>(compute_all(step(StorePageCame{asked.order})));
  ASSERT_EQ(keeps.size(), 1u);
  EXPECT_EQ(keeps[0].pages.at(0).name, asked.pages.names[1]);
  EXPECT_EQ(keeps[0].pages.size(), 1u);
}

TEST_F(PrefillStoreTest, PagesBeyondTheLimitAreDroppedAndCounted) {
  const LookUpPages asked = ask(1, 7 * 64);
  step(StoreHeld{asked.order, 0});
  compute_all(reserve(1, 7));
  EXPECT_EQ(counts().dropped, 4u);
}

TEST_F(PrefillStoreTest, ARequestThatNeedsRoomDoesNotWaitForTheStore) {
  const LookUpPages asked = ask(1, 192);
  step(StoreHeld{asked.order, 0});
  compute_all(reserve(1, 3));
  finish(1, 3);
  EXPECT_EQ(state_.pool().counts().in_use, 3u) << "one is being written, two wait";
  EXPECT_EQ(told<Reserve>(order(2, 7 * 64)).size(), 1u);
  EXPECT_EQ(counts().dropped, 2u);
  EXPECT_TRUE(all<KeepPages>(step(PagesKept{1})).empty());
}

class PrefillStoreShareTest : public PrefillStateTest {
 protected:
  PrefillStoreShareTest() : PrefillStateTest(share_setup()) { step(StoresKnown{1}); }
  static PrefillSetup share_setup() {
    PrefillSetup setup = make_setup();
    setup.pages = 16;  // of which two may be held by what waits
    return setup;
  }
  // Computes a prompt of full pages, each a batch of its own; all actions of its steps.
  Actions compute_pages(uint64_t job, uint32_t pages) {
    const auto asked = all<LookUpPages>(order(job, pages * 64));
    step(StoreHeld{asked.at(0).order, 0});
    Actions actions = reserve(job, pages), sum;
    for (uint32_t page = 0; page < pages; ++page) {
      actions = finish_step(all<Compute>(actions).at(0).step);
      sum.insert(sum.end(), actions.begin(), actions.end());
    }
    say(Abort{JobId{job}, "cancelled"});
    step(Digested{JobId{job}, std::vector<Digest>(pages)});
    return sum;
  }
};

TEST_F(PrefillStoreShareTest, WhatWaitsHoldsAnEighthOfThePoolBeyondWhatIsBeingWritten) {
  EXPECT_EQ(all<KeepPages>(compute_pages(1, 6)).size(), 1u);
  EXPECT_EQ(state_.pool().counts().in_use, 3u);
  EXPECT_EQ(state_.counts().store.dropped, 3u);
  compute_pages(2, 6);
  EXPECT_EQ(state_.pool().counts().in_use, 3u) << "and those before them count";
  EXPECT_EQ(state_.counts().store.dropped, 9u);
  for (uint32_t n = 0; n < 3; ++n) step(PagesKept{1});
  EXPECT_EQ(state_.pool().counts().in_use, 0u);
  EXPECT_EQ(state_.counts().store.kept, 3u);
}

TEST_F(PrefillStoreTest, ADrainWaitsForWhatIsBeingWritten) {
  const LookUpPages asked = ask(1, 64);
  step(StoreHeld{asked.order, 0});
  compute_all(reserve(1, 1));
  finish(1, 1);
  EXPECT_TRUE(all<Drained>(step(Drain{})).empty());
  EXPECT_EQ(all<Drained>(step(PagesKept{1})).size(), 1u);
}

TEST_F(PrefillStoreTest, ADrainDropsWhatIsNotBeingWrittenYet) {
  const LookUpPages asked = ask(1, 192);
  step(StoreHeld{asked.order, 0});
  compute_all(reserve(1, 3));
  finish(1, 3);
  EXPECT_TRUE(all<Drained>(step(Drain{})).empty());
  EXPECT_EQ(counts().dropped, 2u);
  const Actions kept = step(PagesKept{1});
  EXPECT_TRUE(all<KeepPages>(kept).empty());
  EXPECT_EQ(all<Drained>(kept).size(), 1u);
}

TEST_F(PrefillStoreTest, WhatIsComputedDuringADrainIsNotKept) {
  const LookUpPages asked = ask(1, 128);
  step(StoreHeld{asked.order, 0});
  const Actions reserved = reserve(1, 2);
  step(Drain{});
  EXPECT_TRUE(all<KeepPages>(compute_all(reserved)).empty());
  EXPECT_EQ(counts().dropped, 2u);
}

TEST_F(PrefillStoreTest, ADrainDoesNotOutliveItsTimeForAStoreThatHangs) {
  const LookUpPages asked = ask(1, 64);
  step(StoreHeld{asked.order, 0});
  compute_all(reserve(1, 1));
  finish(1, 1);
  step(Drain{});
  EXPECT_TRUE(all<Drained>(after(59s)).empty());
  EXPECT_LE(*state_.next_deadline(), now_ + 1s);
  EXPECT_EQ(all<Drained>(after(1s)).size(), 1u);
  EXPECT_TRUE(all<Drained>(step(PagesKept{1})).empty()) << "once";
}

}  // namespace
}  // namespace baton::prefill
