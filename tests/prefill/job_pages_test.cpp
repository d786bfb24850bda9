#include "prefill/job_pages.h"

#include <gtest/gtest.h>

#include <numeric>

#include "prefill/invariants.h"
#include "prefill/prefill_state.h"

namespace baton::prefill {
namespace {

// A prefill whose steps end when the test says so; prompts are made of a stem and what follows.
class JobPagesTest : public testing::Test {
 protected:
  static constexpr LinkId kLink{1};

  static PrefillSetup make_setup() {
    PrefillSetup setup;
    setup.self = Incarnation{5};
    setup.pages = 8;
    setup.format = {2, 8};
    setup.vocab_size = 1000;
    setup.context_max = 1000;
    setup.limits.chunk_tokens = 64;
    return setup;
  }
  void begin(const PrefillSetup& setup) { state_.emplace(setup); }

  // Of `stem` tokens that all prompts have in common, then those of its own, up to `entries` + 1.
  static std::vector<TokenId> prompt(uint32_t stem, uint32_t entries, TokenId own = 500) {
    std::vector<TokenId> tokens(entries + 1, own);
    std::iota(tokens.begin(), tokens.begin() + std::min(stem, entries + 1), 0);
    return tokens;
  }

  Actions step(const Event& event) {
    Actions actions = state_->step(event, now_);
    EXPECT_EQ(broken_invariant(*state_), std::nullopt);
    for (const Action& action : actions)
      if (const auto* compute = std::get_if<Compute>(&action)) computing_ = *compute;
    return actions;
  }
  Actions order(uint64_t job, std::vector<TokenId> tokens, const std::string& tenant = "",
                std::optional<uint32_t> scores = std::nullopt) {
    return step(DecodeSaid{kLink, PrefillJob{Incarnation{5},
                                             JobId{job},
                                             RequestId{job},
                                             Attempt{1},
                                             std::move(tokens),
                                             tenant,
                                             "",
                                             0,
                                             {},
                                             scores}});
  }
  Actions reserve(uint64_t job, uint32_t pages) {
    Reserved reserved{JobId{job}, SessionId{job, 1}, {}, "frames", Duration(10s)};
    for (uint32_t page = 0; page < pages; ++page)
      reserved.pages.push_back({PageId{10 + page}, Epoch{3}});
    return step(DecodeSaid{kLink, reserved});
  }
  // All layers of the step in flight, and its end.
  Actions finish_step() {
    Actions all;
    const auto add = [&all](Actions more) {
      for (Action& action : more) all.push_back(std::move(action));
    };
    for (uint32_t layer = 0; layer < 2; ++layer) add(step(LayerDone{computing_.step, layer}));
    StepDone done{computing_.step, {}};
    for (const model::SequenceRows& rows : computing_.sequences) {
      model::SequenceResult& result = done.results.emplace_back();
      for (uint32_t row = 0; rows.score && row < rows.tokens.size(); ++row)
        result.scores.push_back({row, {}});
    }
    add(step(done));
    return all;
  }
  // Everything that a job needs, to its commit.
  Seal run(uint64_t job, const std::vector<TokenId>& tokens, const std::string& tenant = "") {
    const uint32_t pages = pages_for(tokens.size() - 1);
    order(job, tokens, tenant);
    Actions actions = reserve(job, pages);
    while (!all<Compute>(actions).empty()) actions = finish_step();
    return end(job, pages);
  }
  Seal end(uint64_t job, uint32_t pages) {
    const SessionId session{job, 1};
    step(Digested{JobId{job}, std::vector<Digest>(pages)});
    Seal seal;
    for (const Action& action : step(FramesWritten{session}))
      if (const auto* tell = std::get_if<TellDecode>(&action))
        if (const auto* message = std::get_if<Seal>(&tell->message)) seal = *message;
    EXPECT_EQ(seal.pages.size(), pages);
    step(DecodeSaid{kLink, Commit{JobId{job}, session}});
    return seal;
  }
  template <class Wanted>
  static std::vector<Wanted> all(const Actions& actions) {
    std::vector<Wanted> found;
    for (const Action& action : actions)
      if (const auto* wanted = std::get_if<Wanted>(&action)) found.push_back(*wanted);
    return found;
  }
  static size_t frames(const Actions& actions) {
    size_t count = 0;
    for (const auto& post : all<PostFrames>(actions)) count += post.frames.size();
    return count;
  }
  const PageCounts& pages() const { return state_->pool().counts(); }

  Instant now_{Duration(100s)};
  Compute computing_;
  std::optional<PrefillState> state_{std::in_place, make_setup()};
};

TEST_F(JobPagesTest, TheSamePromptAgainIsPostedWithoutComputing) {
  EXPECT_EQ(run(1, prompt(200, 100)).cached, 0u);
  EXPECT_EQ(pages(), (PageCounts{8, 6, 0, 0, 0, 2}));
  order(2, prompt(200, 100));
  EXPECT_EQ(pages().in_use, 2u) << "by reference, the partial last page too";
  const Actions actions = reserve(2, 2);
  EXPECT_TRUE(all<Compute>(actions).empty());
  EXPECT_EQ(frames(actions), 4u);
  EXPECT_EQ(all<DigestPages>(actions).size(), 1u);
  EXPECT_EQ(end(2, 2).cached, 100u);
  EXPECT_EQ(state_->cache().counts().queried_tokens, 200u);
  EXPECT_EQ(state_->cache().counts().hit_tokens, 100u);
}

TEST_F(JobPagesTest, APartialPageIsCopiedBeforeItIsWrittenOn) {
  run(1, prompt(300, 100));
  const auto copies = all<CopyPage>(order(2, prompt(300, 150)));
  ASSERT_EQ(copies.size(), 1u);
  EXPECT_EQ(copies[0].tokens, 36u);
  const auto compute = all<Compute>(reserve(2, 3));
  ASSERT_EQ(compute.size(), 1u);
  const model::SequenceRows& rows = compute[0].sequences.at(0);
  EXPECT_EQ(rows.first, 100u);
  EXPECT_EQ(rows.tokens.size(), 50u);
  EXPECT_EQ(rows.pages[1], copies[0].to);
  EXPECT_NE(copies[0].to, copies[0].from);
  finish_step();
  EXPECT_EQ(end(2, 3).cached, 100u);
}

TEST_F(JobPagesTest, WhatBeginsOtherwiseIsComputed) {
  run(1, prompt(300, 100));
  order(2, prompt(63, 100));  // the last token of the first page differs
  EXPECT_EQ(all<Compute>(reserve(2, 2)).at(0).sequences.at(0).first, 0u);
  finish_step();
  finish_step();
  EXPECT_EQ(end(2, 2).cached, 0u);
}

TEST_F(JobPagesTest, TenantsNeverShare) {
  run(1, prompt(300, 100), "a");
  EXPECT_EQ(run(2, prompt(300, 100), "b").cached, 0u);
  EXPECT_EQ(run(3, prompt(300, 100), "a").cached, 100u);
}

TEST_F(JobPagesTest, AJobThatIsScoredReadsNothingAndLeavesWhatItComputed) {
  run(1, prompt(300, 64));
  order(2, prompt(300, 100), "", 0);
  EXPECT_EQ(all<Compute>(reserve(2, 2)).at(0).sequences.at(0).first, 0u);
  finish_step();
  finish_step();
  EXPECT_EQ(end(2, 2).cached, 0u);
  EXPECT_EQ(run(3, prompt(300, 100)).cached, 100u);
}

TEST_F(JobPagesTest, SwitchedOffNothingIsKept) {
  PrefillSetup setup = make_setup();
  setup.prefix_caching = false;
  begin(setup);
  run(1, prompt(300, 100));
  EXPECT_EQ(pages().free, 8u);
  EXPECT_EQ(run(2, prompt(300, 100)).cached, 0u);
}

TEST_F(JobPagesTest, OfTwoThatBeginTheSameOneComputesAndTheOtherTakes) {
  order(1, prompt(130, 150, 500));
  order(2, prompt(130, 150, 600));
  reserve(1, 3);
  // The first step was under way when the second job came; it waits for the page that is computed.
  EXPECT_TRUE(all<Compute>(reserve(2, 3)).empty());
  auto actions = finish_step();
  EXPECT_EQ(frames(actions), 4u) << "page 0 of both layers, for both";
  ASSERT_EQ(computing_.sequences.size(), 1u) << "page 1 is the same too";
  EXPECT_EQ(pages().in_use, 1u);
  finish_step();
  ASSERT_EQ(computing_.sequences.size(), 2u) << "now they differ";
  EXPECT_EQ(computing_.sequences[0].first, 128u);
  EXPECT_EQ(computing_.sequences[1].first, 128u);
  finish_step();
  EXPECT_EQ(end(1, 3).cached, 0u);
  EXPECT_EQ(end(2, 3).cached, 128u);
  EXPECT_EQ(pages().cached, 4u);
}

TEST_F(JobPagesTest, OfTwoThatComputeTheSamePageOneIsListedAndBothHoldIt) {
  PrefillSetup setup = make_setup();
  setup.limits.chunk_tokens = 200;
  begin(setup);
  order(1, prompt(300, 9, 600));
  reserve(1, 1);
  order(2, prompt(300, 80), "", 0);  // is scored: it neither takes pages nor waits for them
  order(3, prompt(300, 80));
  reserve(2, 2);
  reserve(3, 2);
  finish_step();
  ASSERT_EQ(computing_.sequences.size(), 1u) << "3 waits for 2";
  step(DecodeSaid{kLink, Abort{JobId{3}, "cancelled"}});
  order(4, prompt(300, 90), "", 0);
  reserve(4, 2);
  finish_step();  // 2 is computed, then 4 computes the same again
  ASSERT_EQ(computing_.sequences.size(), 1u);
  EXPECT_EQ(computing_.sequences[0].first, 0u);
  finish_step();
  EXPECT_EQ(pages().in_use, 1u + 2u + 2u)
      << "4 has a page of its own beside the one that is listed";
  end(1, 1);
  end(2, 2);
  EXPECT_EQ(end(4, 2).cached, 0u);
  EXPECT_EQ(pages().cached, 4u) << "its own copy of the first page is free again";
}

TEST_F(JobPagesTest, WhatAnAbortedJobHasComputedIsKept) {
  order(1, prompt(300, 200));
  reserve(1, 4);
  step(DecodeSaid{kLink, Abort{JobId{1}, "cancelled"}});
  finish_step();
  EXPECT_EQ(state_->jobs(), 0u);
  EXPECT_EQ(pages(), (PageCounts{8, 7, 0, 0, 0, 1}));
  EXPECT_EQ(run(2, prompt(300, 100)).cached, 64u);
}

TEST_F(JobPagesTest, PagesThatNobodyUsesGiveWayToJobs) {
  run(1, prompt(500, 450));
  EXPECT_EQ(pages().cached, 8u);
  EXPECT_EQ(run(2, prompt(0, 128, 600)).cached, 0u);
  EXPECT_EQ(state_->cache().counts().pages_evicted, 2u);
  EXPECT_EQ(run(3, prompt(500, 450)).cached, 384u) << "the deepest pages went first";
}

TEST_F(JobPagesTest, ACopyThatWouldNeedOnePageTooManyIsNotMade) {
  PrefillSetup setup = make_setup();
  setup.pages = 4;
  begin(setup);
  run(1, prompt(300, 200));
  EXPECT_TRUE(all<CopyPage>(order(2, prompt(300, 250))).empty());
  EXPECT_EQ(all<Compute>(reserve(2, 4)).at(0).sequences.at(0).first, 192u);
  finish_step();
  EXPECT_EQ(end(2, 4).cached, 192u);
}

TEST_F(JobPagesTest, ARefusedJobLetsGoWhatItFoundAndFindsItAgain) {
  run(1, prompt(300, 100));
  order(2, prompt(300, 150));
  step(DecodeSaid{kLink, NotBefore{JobId{2}, Duration(1s)}});
  EXPECT_EQ(pages(), (PageCounts{8, 6, 0, 0, 0, 2}));
  now_ += Duration(1s);
  EXPECT_EQ(all<CopyPage>(step(Tick{})).size(), 1u);
  EXPECT_EQ(all<Compute>(reserve(2, 3)).at(0).sequences.at(0).first, 100u);
}

TEST_F(JobPagesTest, ManyFramesThatWereFoundAreNotPostedAtOnce) {
  PrefillSetup setup = make_setup();
  setup.limits.found_frames = 3;
  setup.format.layers = 3;
  begin(setup);
  order(1, prompt(300, 128));
  Actions actions = reserve(1, 2);
  while (!all<Compute>(actions).empty()) {
    step(LayerDone{computing_.step, 0});
    step(LayerDone{computing_.step, 1});
    actions = step(LayerDone{computing_.step, 2});
    actions = step(StepDone{computing_.step, std::vector<model::SequenceResult>(1)});
  }
  end(1, 2);
  order(2, prompt(300, 128));
  EXPECT_EQ(frames(reserve(2, 2)), 4u);
  actions = step(FramesWritten{SessionId{2, 1}});
  EXPECT_EQ(frames(actions), 2u);
  EXPECT_EQ(all<DigestPages>(actions).size(), 1u);
  EXPECT_EQ(end(2, 2).cached, 128u);
}

}  // namespace
}  // namespace baton::prefill
