// What decode keeps of prompts, and what becomes of it.
#include "tests/decode/machine.h"

namespace baton::decode {
namespace {

TEST_F(DecodeCacheTest, FullPagesOfAPromptAreKeptAndNotFilledAgain) {
  EXPECT_EQ(run(request(1, 150, 1, 1)), 149u);
  EXPECT_EQ(cached(), 2u) << "the partial page has the answer's entries in it";
  EXPECT_EQ(run(request(2, 150, 1, 1)), 21u);
  EXPECT_EQ(run(request(3, 170, 2, 1)), 41u) << "a prompt that goes on, and forks";
  EXPECT_EQ(state_.counts().pages_kept, 4u);
  RequestState other = request(4, 150, 1, 1);
  other.cache_salt = "other";
  EXPECT_EQ(run(other), 149u) << "whoever must not share does not";
  RequestState scored = request(5, 150, 1, 1);
  scored.report.prompt_logprobs = 1;
  EXPECT_EQ(run(scored), 149u) << "scores come from computing";
  EXPECT_EQ(run(request(6, 129, 1, 1)), 0u);
  EXPECT_EQ(state_.pool().counts().free + cached(), 8u);
}

TEST_F(DecodeCacheTest, APromptThatIsAllHereNeedsNoPrefillAndOfOthersThePagesAreTold) {
  run(request(1, 150, 1, 1));
  EXPECT_EQ(run(request(2, 129, 1, 1), kPrefill), 0u) << "two pages and no more";
  const Actions actions = submit(request(3, 150, 1, 1), kPrefill);
  const auto told = all<TellPrefill>(actions);
  ASSERT_EQ(told.size(), 1u);
  const auto job = std::get<PrefillJob>(told[0].message).job;
  const auto answers = all<TellPrefill>(step(PrefillSaid{kPrefill, Reserve{job, 3}}));
  ASSERT_EQ(answers.size(), 1u);
  const auto& reserved = std::get<Reserved>(answers[0].message);
  EXPECT_EQ(reserved.kept, 2u);
  EXPECT_EQ(reserved.pages.size(), 1u);
}

// Two pages of three have come and agreed when the prefill dies: the rest is filled here.
TEST_F(DecodeCacheTest, WhenThePrefillDiesWhatAgreedIsKeptAndTheRestFilledHere) {
  const auto begin = [&](uint64_t id, uint32_t prompt, TokenId token, uint32_t agreed) {
    RequestState wanted = request(id, prompt, 1, 1);
    wanted.prompt.assign(prompt, token);
    const auto told = all<TellPrefill>(submit(wanted, kPrefill));
    const JobId job = std::get<PrefillJob>(told.at(0).message).job;
    const auto answers =
        all<TellPrefill>(step(PrefillSaid{kPrefill, Reserve{job, pages_for(prompt - 1)}}));
    const auto reserved = std::get<Reserved>(answers.at(0).message);
    for (uint32_t page = 0; page < agreed; ++page) {
      for (uint32_t layer = 0; layer < simulation::kFormat.layers; ++layer) {
        const kvcache::FrameHeader frame{reserved.session,
                                         reserved.pages[page].epoch,
                                         layer,
                                         page,
                                         kPageTokens * simulation::kFormat.entry_bytes,
                                         1};
        EXPECT_EQ(state_.receiver().landed(frame, 1, now_), kvcache::FrameVerdict::admitted);
        step(FrameLanded{reserved.session});
      }
    }
    const std::vector<Digest> digests(agreed, Digest{1, 1});
    EXPECT_EQ(
        all<DigestPages>(step(PrefillSaid{kPrefill, Seal{job, reserved.session, digests, {}}}))
            .size(),
        1u);
    step(Digested{job, digests});
    return step(PrefillDown{kPrefill.incarnation});
  };
  Actions actions = begin(1, 150, 7, 2);
  EXPECT_TRUE(to_gateway<GaveUp>(actions).empty());
  const auto compute = all<Compute>(actions);
  ASSERT_EQ(compute.size(), 1u);
  EXPECT_EQ(compute[0].sequences.at(0).first, 128u);
  EXPECT_EQ(compute[0].sequences[0].tokens.size(), 21u);
  const auto run = all<Compute>(answer(compute[0], {}));
  answer(run.at(0), {3});
  EXPECT_EQ(state_.counts().finished, 1u);
  EXPECT_EQ(state_.counts().went_on, 1u);
  EXPECT_EQ(state_.counts().pages_kept, 0u) << "they were brought for this request";
  EXPECT_EQ(state_.salvaged_pages(), 2u);
  // One page of six: another prefill is cheaper. What has come is kept all the same.
  actions = begin(2, 350, 8, 1);
  EXPECT_EQ(to_gateway<GaveUp>(actions).at(0).blame, kPrefill.incarnation);
  EXPECT_EQ(state_.salvaged_pages(), 3u);
  RequestState again = request(3, 350, 1, 1);
  again.prompt.assign(350, 8);
  const auto told = all<TellPrefill>(submit(again, kPrefill));
  const JobId job = std::get<PrefillJob>(told.at(0).message).job;
  const auto answers = all<TellPrefill>(step(PrefillSaid{kPrefill, Reserve{job, 6}}));
  EXPECT_EQ(std::get<Reserved>(answers.at(0).message).kept, 1u);
}

TEST_F(DecodeCacheTest, WhatIsKeptGivesWayAndTheSchedulerIsToldOfIt) {
  run(request(1, 150, 1, 1));
  const auto beats = all<Beat>(after(1s));
  ASSERT_EQ(beats.size(), 1u);
  ASSERT_TRUE(beats[0].prefixes.has_value());
  EXPECT_EQ(beats[0].prefixes->came.size(), 2u);
  RequestState large = request(2, 480, 1, 1);  // all eight pages
  large.prompt[0] = 9;
  EXPECT_EQ(run(large), 479u);
  EXPECT_EQ(cached(), 7u);
  EXPECT_EQ(state_.cache().counts().pages_evicted, 2u);
}

}  // namespace
}  // namespace baton::decode
