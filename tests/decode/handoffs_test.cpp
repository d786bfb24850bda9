#include "decode/handoffs.h"

#include <gtest/gtest.h>

namespace baton::decode {
namespace {

class HandoffsTest : public testing::Test {
 protected:
  static constexpr RequestId kRequest{42};
  inline static const Peer kPrefill{"prefill-0", Incarnation{5}, "p"};

  void start(uint32_t prompt = 100, uint32_t max_tokens = 64,
             std::optional<uint32_t> scores = std::nullopt,
             std::vector<kvcache::PageName> names = {}) {
    RequestState request;
    request.id = kRequest;
    request.attempt = Attempt{1};
    request.prompt.resize(prompt);
    request.stop.max_tokens = max_tokens;
    request.report.prompt_logprobs = scores;
    handoffs_.start(request, kPrefill, 60s, std::move(names), now_);
    EXPECT_EQ(told<PrefillJob>().at(0).prompt_logprobs, scores);
    job_ = told<PrefillJob>().at(0).job;
  }
  void say(FromPrefill message) {
    actions_.clear();
    handoffs_.on(PrefillSaid{kPrefill, std::move(message)}, now_);
  }
  void after(Duration time) {
    actions_.clear();
    now_ += time;
    handoffs_.run_timers(now_);
  }
  // What was told since the last say() or after().
  template <class Message>
  std::vector<Message> told() {
    for (Action& action : handoffs_.take_actions()) actions_.push_back(std::move(action));
    std::vector<Message> found;
    for (const Action& action : actions_)
      if (const auto* tell = std::get_if<TellPrefill>(&action))
        if (const auto* message = std::get_if<Message>(&tell->message)) found.push_back(*message);
    return found;
  }
  Reserved reserve() {
    say(Reserve{job_, 2});
    return told<Reserved>().at(0);
  }
  void land(const Reserved& reserved, uint32_t layer, uint32_t page) {
    const uint32_t tokens = page == 0 ? 64 : 35;
    const kvcache::FrameHeader frame{
        reserved.session, reserved.pages[page].epoch, layer, page, tokens * 8, 1};
    ASSERT_EQ(receiver_.landed(frame, 1, now_), kvcache::FrameVerdict::admitted);
    handoffs_.on(FrameLanded{reserved.session}, now_);
  }
  void land_all(const Reserved& reserved) {
    for (uint32_t layer = 0; layer < 2; ++layer)
      for (uint32_t page = 0; page < 2; ++page) land(reserved, layer, page);
  }
  void seal(const Reserved& reserved) {
    say(Seal{job_, reserved.session, {Digest{1, 1}, Digest{2, 2}}, {}});
  }
  bool digests_wanted() {
    told<Abort>();
    return std::any_of(actions_.begin(), actions_.end(),
                       [](const auto& a) { return std::holds_alternative<DigestPages>(a); });
  }

  DecodeLimits limits_;
  kvcache::PrefixCache cache_{{.pages = 8}, true};
  kvcache::HandoffReceiver receiver_{cache_.session_pool(), {2, 8}, {}};
  uint64_t drawn_ = 0;
  Handoffs handoffs_{limits_, cache_, receiver_, "here", 10s, [this] { return ++drawn_; }};
  JobId job_;
  Instant now_{Duration(100s)};
  Actions actions_;
};

TEST_F(HandoffsTest, ScoresArePassedOnAndASealWithoutAllOfThemIsNone) {
  start(100, 0, 1);
  const Reserved reserved = reserve();
  const auto scores = [&](uint32_t first, uint32_t count) {
    say(PromptScores{job_, {first, std::vector<PromptScore>(count)}});
  };
  scores(1, 60);
  auto passed = handoffs_.take_scored();
  ASSERT_EQ(passed.size(), 1u);
  EXPECT_EQ(passed[0].request, kRequest);
  EXPECT_EQ(passed[0].scores.scores.size(), 60u);
  land_all(reserved);
  seal(reserved);
  const auto lost = handoffs_.take_lost();
  ASSERT_EQ(lost.size(), 1u);
  EXPECT_EQ(lost[0].blame, kPrefill.incarnation);
  EXPECT_TRUE(handoffs_.take_done().empty());
}

TEST_F(HandoffsTest, ScoresWithAGapLoseTheJob) {
  for (const auto& [first, count] : {std::pair(2u, 5u), std::pair(1u, 100u)}) {
    start(100, 0, 1);
    reserve();
    say(PromptScores{job_, {first, std::vector<PromptScore>(count)}});
    EXPECT_EQ(handoffs_.take_lost().size(), 1u);
    EXPECT_TRUE(handoffs_.take_scored().empty());
  }
}

TEST_F(HandoffsTest, AReservationHoldsAllPagesThatTheRequestMayEverWrite) {
  start();  // 99 entries, then up to 63 more
  const Reserved reserved = reserve();
  EXPECT_EQ(reserved.pages.size(), 2u);
  EXPECT_EQ(reserved.frame_address, "here");
  EXPECT_EQ(cache_.room(), 5u);
}

TEST_F(HandoffsTest, AFullPoolSaysNotBeforeAtOnceAndHoldsNothing) {
  start(64 * 9);
  say(Reserve{job_, 9});
  const auto first = told<NotBefore>();
  say(Reserve{job_, 9});
  EXPECT_EQ(told<NotBefore>().at(0).delay, first.at(0).delay * 2);
  EXPECT_EQ(cache_.room(), 8u);
  say(Abort{job_, "refused too often"});
  const auto lost = handoffs_.take_lost();
  EXPECT_EQ(lost.at(0).why, GiveUp::full);
  EXPECT_FALSE(lost[0].blame.has_value());  // prefill is not at fault
}

TEST_F(HandoffsTest, RoomIsKeptForAJobThatWasRefusedAgainAndAgain) {
  start(64 * 6);  // six pages, and some for the answer
  const JobId large = job_;
  cache_.allocate(4, kvcache::PageState::in_use);
  for (int asked = 0; asked < 3; ++asked) say(Reserve{large, 6});
  RequestState small;
  small.id = RequestId{43};
  small.attempt = Attempt{1};
  small.prompt.resize(10);
  small.stop.max_tokens = 1;
  handoffs_.start(small, kPrefill, 60s, {}, now_);
  const JobId later = told<PrefillJob>().at(0).job;
  say(Reserve{later, 1});
  EXPECT_EQ(told<NotBefore>().size(), 1u) << "though there is room for it";
  after(4500ms);  // the large one does not ask any more
  say(Reserve{later, 1});
  EXPECT_EQ(told<Reserved>().size(), 1u);
}

TEST_F(HandoffsTest, AReserveThatComesTwiceIsAnsweredAlike) {
  start();
  EXPECT_EQ(reserve(), reserve());
  EXPECT_EQ(receiver_.open_sessions(), 1u);
}

TEST_F(HandoffsTest, WholeVerifiedAndAgreedPagesAreCommitted) {
  start();
  const Reserved reserved = reserve();
  land_all(reserved);
  seal(reserved);
  ASSERT_TRUE(digests_wanted());
  EXPECT_TRUE(handoffs_.take_done().empty());
  handoffs_.on(Digested{job_, {Digest{1, 1}, Digest{2, 2}}}, now_);
  const auto done = handoffs_.take_done();
  EXPECT_EQ(done.at(0).prompt_pages.size(), 2u);
  EXPECT_EQ(done[0].growth_pages.size(), 1u);
  EXPECT_EQ(told<Commit>().size(), 1u);
  EXPECT_EQ(handoffs_.size(), 0u);
}

TEST_F(HandoffsTest, ASealThatOvertakesItsFramesWaitsForThemThenAsksForTheMissingOnly) {
  start();
  const Reserved reserved = reserve();
  for (const auto& [layer, page] : {std::pair(0u, 0u), {0u, 1u}, {1u, 1u}})
    land(reserved, layer, page);
  seal(reserved);
  EXPECT_TRUE(told<Resend>().empty());
  after(limits_.resend_after);
  EXPECT_EQ(told<Resend>().at(0).frames, (std::vector{FrameName{1, 0}}));
  actions_.clear();
  land(reserved, 1, 0);
  EXPECT_TRUE(digests_wanted());
}

TEST_F(HandoffsTest, APageWhoseDigestDiffersIsAskedForInAllLayersAndNeverUsed) {
  start();
  const Reserved reserved = reserve();
  land_all(reserved);
  seal(reserved);
  handoffs_.on(Digested{job_, {Digest{1, 1}, Digest{9, 9}}}, now_);
  EXPECT_EQ(told<Resend>().at(0).frames, (std::vector{FrameName{0, 1}, FrameName{1, 1}}));
  EXPECT_TRUE(handoffs_.take_done().empty());
}

TEST_F(HandoffsTest, FramesThatNeverComeEndTheJobAndBlameThePrefill) {
  start();
  seal(reserve());
  for (uint32_t i = 0; i <= limits_.resends_max; ++i) {
    handoffs_.on(PrefillSaid{kPrefill, JobAlive{job_, 0}}, now_);
    after(limits_.resend_after);
  }
  EXPECT_EQ(handoffs_.take_lost().at(0).blame, kPrefill.incarnation);
  EXPECT_EQ(cache_.room(), 8u);
}

TEST_F(HandoffsTest, WhileMissingFramesLandNothingIsAskedForAndTheCountStartsAnew) {
  start();
  const Reserved reserved = reserve();
  seal(reserved);
  for (const auto& [layer, page] : {std::pair(0u, 0u), {0u, 1u}, {1u, 0u}}) {
    for (uint32_t i = 0; i < limits_.resends_max; ++i) {
      handoffs_.on(PrefillSaid{kPrefill, JobAlive{job_, 0}}, now_);
      after(limits_.resend_after);
      EXPECT_EQ(told<Resend>().size(), 1u);
    }
    after(limits_.resend_after / 2);
    land(reserved, layer, page);
    after(limits_.resend_after / 2);  // due by what was asked, but a frame has just landed
    EXPECT_TRUE(told<Resend>().empty());
  }
  EXPECT_TRUE(handoffs_.take_lost().empty());
}

TEST_F(HandoffsTest, PagesThatAreWrongAgainAndAgainEndTheJob) {
  start();
  const Reserved reserved = reserve();
  land_all(reserved);
  seal(reserved);
  for (uint32_t i = 0; i <= limits_.resends_max; ++i) {
    EXPECT_TRUE(handoffs_.take_lost().empty());
    std::vector<Digest> digests{Digest{9, 9}};  // of the page that did not agree so far
    if (i == 0) digests.insert(digests.begin(), Digest{1, 1});
    handoffs_.on(Digested{job_, digests}, now_);
    if (i < limits_.resends_max)
      for (uint32_t layer = 0; layer < 2; ++layer) land(reserved, layer, 1);
  }
  EXPECT_EQ(handoffs_.take_lost().at(0).blame, kPrefill.incarnation);
  EXPECT_EQ(cache_.room(), 8u);
}

TEST_F(HandoffsTest, AJobOfWhichNothingIsHeardIsLostAndOneThatLivesKeepsItsLease) {
  start();
  reserve();
  for (int i = 0; i < 20; ++i) {
    after(1s);
    say(JobAlive{job_, 0});
  }
  EXPECT_TRUE(handoffs_.take_lost().empty());
  after(limits_.prefill_silence_max);
  EXPECT_EQ(handoffs_.take_lost().at(0).why, GiveUp::place_again);
  EXPECT_EQ(cache_.room(), 8u);
}

TEST_F(HandoffsTest, ACancelledJobFreesAtOnceAndLateFramesAreRefused) {
  start();
  const Reserved reserved = reserve();
  handoffs_.cancel(kRequest, "cancelled", now_);
  EXPECT_EQ(told<Abort>().size(), 1u);
  EXPECT_EQ(cache_.room(), 8u);
  const kvcache::FrameHeader late{reserved.session, reserved.pages[0].epoch, 0, 0, 512, 1};
  EXPECT_EQ(receiver_.admit(late), kvcache::FrameVerdict::unknown_session);
  say(Reserve{job_, 2});
  EXPECT_EQ(told<Abort>().size(), 1u);  // and the abort that was overtaken is said again
}

TEST_F(HandoffsTest, PagesThatAreBeingDigestedAreFreedWhenThatIsDone) {
  start();
  const Reserved reserved = reserve();
  land_all(reserved);
  seal(reserved);
  handoffs_.cancel(kRequest, "cancelled", now_);
  EXPECT_EQ(cache_.room(), 5u);
  handoffs_.on(Digested{job_, {Digest{1, 1}, Digest{2, 2}}}, now_);
  EXPECT_EQ(cache_.room(), 8u);
  EXPECT_TRUE(handoffs_.take_done().empty());
}

std::vector<kvcache::PageName> three_names() {
  std::vector<kvcache::PageName> names(3);
  for (size_t i = 0; i < names.size(); ++i) names[i].bytes[0] = static_cast<std::byte>(i + 1);
  return names;
}

class HandoffsDeltaTest : public HandoffsTest {
 protected:
  // The first pages of the names are cached.
  void publish(uint32_t pages) {
    std::optional<PageId> before;
    std::vector<PageId> all;
    for (uint32_t i = 0; i < pages; ++i) {
      const PageId page = cache_.allocate(1, kvcache::PageState::in_use)->front().page;
      cache_.publish(three_names()[i], page, before, kPageTokens);
      before = page;
      all.push_back(page);
    }
    cache_.release(all);
    EXPECT_EQ(cache_.pool().counts().cached, pages);
  }
  Reserved reserve_for(uint32_t pages) {
    say(Reserve{job_, pages});
    const auto reserved = told<Reserved>();
    return reserved.empty() ? Reserved{} : reserved[0];
  }
};

TEST_F(HandoffsDeltaTest, WhatTheCacheHasIsNotSent) {
  publish(2);
  start(200, 64, std::nullopt, three_names());  // 199 entries: three full pages and a part
  const Reserved reserved = reserve_for(4);
  EXPECT_EQ(reserved.kept, 2u);
  ASSERT_EQ(reserved.pages.size(), 2u);
  EXPECT_EQ(receiver_.tokens(job_), 71u);
  EXPECT_EQ(cache_.pool().counts().cached, 0u) << "they are in use now";
  for (uint32_t layer = 0; layer < 2; ++layer) {
    for (uint32_t page = 0; page < 2; ++page) {
      const kvcache::FrameHeader frame{
          reserved.session, reserved.pages[page].epoch, layer, page, (page == 0 ? 64u : 7u) * 8, 1};
      ASSERT_EQ(receiver_.landed(frame, 1, now_), kvcache::FrameVerdict::admitted);
      handoffs_.on(FrameLanded{reserved.session}, now_);
    }
  }
  seal(reserved);
  EXPECT_TRUE(digests_wanted());
  handoffs_.on(Digested{job_, {Digest{1, 1}, Digest{2, 2}}}, now_);
  const auto done = handoffs_.take_done();
  ASSERT_EQ(done.size(), 1u);
  EXPECT_EQ(done[0].kept, 2u);
  EXPECT_EQ(done[0].prompt_pages.size(), 4u);
  EXPECT_EQ(cache_.index().find(three_names()[1]), done[0].prompt_pages[1]);
  EXPECT_EQ(kvcache::broken_invariant(cache_), std::nullopt);
}

TEST_F(HandoffsDeltaTest, OnePageIsSentAtLeastAndOneThatEndsLetsAllGo) {
  publish(3);
  start(193, 64, std::nullopt, three_names());  // three pages and no more
  const Reserved reserved = reserve_for(3);
  EXPECT_EQ(reserved.kept, 2u);
  EXPECT_EQ(reserved.pages.size(), 1u);
  handoffs_.cancel(kRequest, "cancelled", now_);
  EXPECT_EQ(cache_.room(), 8u);
  EXPECT_EQ(cache_.pool().counts().cached, 3u);
  EXPECT_EQ(kvcache::broken_invariant(cache_), std::nullopt);
}

TEST_F(HandoffsDeltaTest, CachedPagesGiveWayButNotThoseThatAreKept) {
  publish(2);
  cache_.allocate(2, kvcache::PageState::in_use);  // somebody else: six pages are left
  start(200, 64, std::nullopt, three_names());     // needs four and one to grow
  const Reserved reserved = reserve_for(4);
  EXPECT_EQ(reserved.kept, 2u);
  handoffs_.cancel(kRequest, "cancelled", now_);
  cache_.allocate(2, kvcache::PageState::in_use);  // four are left
  start(200, 64, std::nullopt, three_names());
  say(Reserve{job_, 4});
  EXPECT_EQ(told<NotBefore>().size(), 1u);
  EXPECT_EQ(cache_.pool().counts().cached, 2u) << "it took nothing";
  handoffs_.cancel(kRequest, "cancelled", now_);
  start(250, 64);  // another prompt of four pages: all that is cached gives way but for one page
  say(Reserve{job_, 4});
  EXPECT_EQ(told<NotBefore>().size(), 1u);
}

TEST_F(HandoffsTest, ALostPrefillLosesItsJobs) {
  start();
  reserve();
  handoffs_.on(PrefillDown{kPrefill.incarnation}, now_);
  EXPECT_EQ(handoffs_.take_lost().at(0).blame, kPrefill.incarnation);
  EXPECT_EQ(cache_.room(), 8u);
}

// Prefill says what is final while it computes the rest: 199 entries, three full pages and a part.
class SalvageTest : public HandoffsDeltaTest {
 protected:
  void begin(uint32_t kept = 0) {
    publish(kept);
    start(200, 64, std::nullopt, three_names());
    reserved_ = reserve_for(4);
    ASSERT_EQ(reserved_.pages.size(), 4u - kept);
  }
  void land_page(uint32_t page) {
    const uint32_t tokens = page + 1 == reserved_.pages.size() ? 7 : 64;
    for (uint32_t layer = 0; layer < 2; ++layer) {
      const kvcache::FrameHeader frame{
          reserved_.session, reserved_.pages[page].epoch, layer, page, tokens * 8, 1};
      ASSERT_EQ(receiver_.landed(frame, 1, now_), kvcache::FrameVerdict::admitted);
      handoffs_.on(FrameLanded{reserved_.session}, now_);
    }
  }
  static std::vector<Digest> digests(uint64_t first, uint64_t end) {
    std::vector<Digest> out;
    for (uint64_t i = first; i < end; ++i) out.push_back({i + 1, i + 1});
    return out;
  }
  void say_final(uint64_t pages) { say(Seal{job_, reserved_.session, digests(0, pages), {}}); }
  // Pages that the shell was asked to digest last, of what was not asked for yet.
  size_t asked() {
    told<Abort>();
    size_t pages = 0;
    for (const Action& action : std::exchange(actions_, {}))
      if (const auto* order = std::get_if<DigestPages>(&action)) pages = order->pages.size();
    return pages;
  }
  void lose_prefill() {
    actions_.clear();
    handoffs_.on(PrefillDown{kPrefill.incarnation}, now_);
    EXPECT_EQ(handoffs_.take_lost().size(), 1u);
    EXPECT_EQ(cache_.room(), 8u);
    EXPECT_EQ(receiver_.open_sessions(), 0u);
    EXPECT_EQ(kvcache::broken_invariant(cache_), std::nullopt);
  }
  uint32_t known() { return cache_.known(three_names()).pages; }
  Reserved reserved_;
};

TEST_F(SalvageTest, PagesThatAgreedStayWhenThePrefillDies) {
  begin();
  land_page(0);
  land_page(1);
  land_page(2);  // whole, but nobody has said what it should be
  say_final(2);
  EXPECT_EQ(asked(), 2u);
  handoffs_.on(Digested{job_, digests(0, 2)}, now_);
  lose_prefill();
  EXPECT_EQ(known(), 2u);
  EXPECT_EQ(handoffs_.salvaged_pages(), 2u);
  start(200, 64, std::nullopt, three_names());
  EXPECT_EQ(reserve_for(4).kept, 2u) << "the next prefill need not send them";
}

TEST_F(SalvageTest, WhatIsVerifiedAndWasNotComparedIsNotKept) {
  begin();
  for (uint32_t page = 0; page < 3; ++page) land_page(page);
  lose_prefill();
  EXPECT_EQ(known(), 0u);
}

TEST_F(SalvageTest, APageThatDiffersIsNotKeptNorThoseBehindIt) {
  begin();
  for (uint32_t page = 0; page < 3; ++page) land_page(page);
  say_final(3);
  auto found = digests(0, 3);
  found[1] = {99, 99};
  handoffs_.on(Digested{job_, found}, now_);
  lose_prefill();
  EXPECT_EQ(known(), 1u);
}

TEST_F(SalvageTest, TheyAreComparedWhenTheyHaveComeAndOnlyTheOthersAtTheSeal) {
  begin(1);
  say_final(1);
  EXPECT_EQ(asked(), 0u);
  land_page(0);
  EXPECT_EQ(asked(), 1u);
  land_page(1);
  land_page(2);
  say_final(3);
  EXPECT_EQ(asked(), 0u) << "the first is still being read";
  handoffs_.on(Digested{job_, digests(0, 1)}, now_);
  EXPECT_EQ(asked(), 2u);
  handoffs_.on(Digested{job_, digests(1, 3)}, now_);
  const auto done = handoffs_.take_done();
  ASSERT_EQ(done.size(), 1u);
  EXPECT_EQ(done[0].prompt_pages.size(), 4u);
}

TEST_F(SalvageTest, PagesThatAreBeingReadAreKeptOrFreedWhenThatIsDone) {
  begin();
  land_page(0);
  say_final(1);
  handoffs_.on(PrefillDown{kPrefill.incarnation}, now_);
  EXPECT_EQ(receiver_.open_sessions(), 1u);
  handoffs_.on(Digested{job_, digests(0, 1)}, now_);
  EXPECT_EQ(receiver_.open_sessions(), 0u);
  EXPECT_EQ(cache_.room(), 8u);
}

TEST_F(SalvageTest, TheSealHasTheLastWord) {
  begin();
  for (uint32_t page = 0; page < 4; ++page) land_page(page);
  say_final(2);
  EXPECT_EQ(asked(), 2u);
  handoffs_.on(Digested{job_, digests(0, 2)}, now_);
  auto last = digests(0, 4);
  last[1] = {77, 77};
  say(Seal{job_, reserved_.session, last, {}});
  EXPECT_EQ(asked(), 3u) << "all but the first";
  handoffs_.on(Digested{job_, digests(1, 4)}, now_);
  EXPECT_EQ(told<Resend>().size(), 1u);
  EXPECT_TRUE(handoffs_.take_done().empty());
}

}  // namespace
}  // namespace baton::decode
