// Same request, same bytes, on every layout: the ranks are threads of this process.
#include <gtest/gtest.h>

#include "base/hash/counter_rng.h"
#include "model/checkpoint/packed/numeric_mode.h"
#include "tests/model/harness.h"
#include "tests/support/checkpoint_writer.h"
#include "tests/support/temporary_folder.h"

namespace baton::model {
namespace {

using testing::CheckpointSpec;
using testing::Harness;
using testing::Session;

constexpr size_t kPrompt = 150;
constexpr size_t kAnswer = 10;

std::vector<TokenId> random_prompt(uint64_t seed, size_t tokens) {
  SeededRandom random(seed);
  std::vector<TokenId> prompt(tokens);
  for (TokenId& token : prompt) token = static_cast<TokenId>(random.below(96));
  return prompt;
}

// Our request, in DP group `group`, in steps that it shares with a neighbour in every group.
Session run_among_others(Harness& harness, uint32_t groups, uint32_t group, uint32_t chunk) {
  Session ours = harness.open(random_prompt(1, kPrompt), 2 * kAnswer);
  ours.sampling.temperature = 0.8f;
  ours.sampling.seed = 5;
  ours.group = group;
  ours.verify_drafts = true;
  ours.draft_depth = 3;
  ours.score = 2;
  std::vector<Session> others;
  for (uint32_t g = 0; g < groups; ++g) {
    others.push_back(harness.open(random_prompt(10 + g, 1 + 30 * g), 120));
    others.back().group = g;
    others.back().verify_drafts = g % 2 == 0;
    others.back().draft_depth = 1 + g % 3;
  }
  while (ours.output.size() < kAnswer) {
    std::vector<Session*> step = {&ours};
    for (Session& other : others) step.push_back(&other);
    std::vector<SequenceRows> rows;
    for (Session* each : step) {
      const bool fills = each->filled + 1 < each->prompt_tokens();
      rows.push_back(fills ? each->fill(each == &ours ? chunk : 7) : each->decode());
    }
    auto results = harness.runner().step(rows, harness.cache(), {});
    for (size_t i = 0; i < step.size(); ++i) {
      if (rows[i].sampling != nullptr) {
        step[i]->was_decoded(rows[i], std::move(results[i]));
      } else {
        step[i]->was_filled(rows[i], results[i]);
      }
    }
  }
  return ours;
}

struct Expected {
  std::vector<Digest> digests;
  std::vector<TokenId> output;
  std::vector<TokenLogprob> drafted;
  std::vector<PromptScore> scores;
};

Expected what_matters(const Session& session) {
  Expected all{session.digests(), session.output, session.drafted, session.scores};
  all.digests.resize(kAnswer);
  all.output.resize(kAnswer);
  return all;
}

struct Case {
  std::string mode, layout;
};

class Layouts : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    CheckpointSpec spec;
    spec.config["num_attention_heads"] = 8;
    testing::write_checkpoint(spec, folder_.path());
    checkpoint_.emplace(checkpoint::Checkpoint::open(folder_.path()).value());
  }
  Expected run(const std::string& text, uint32_t chunk) const {
    const auto layout = parallel::parse_layout(text).value();
    Harness harness(*checkpoint_, {.mode = GetParam().mode, .layout = layout, .rows_max = 96});
    return what_matters(run_among_others(harness, layout.dp, layout.dp - 1, chunk));
  }
  testing::TemporaryFolder folder_;
  std::optional<checkpoint::Checkpoint> checkpoint_;
};

TEST_P(Layouts, GiveTheBytesOfOneRank) {
  const Expected expected = run("", 64);
  const Expected here = run(GetParam().layout, 40);
  EXPECT_EQ(here.digests, expected.digests);
  EXPECT_EQ(here.output, expected.output);
  ASSERT_EQ(here.drafted.size(), expected.drafted.size());
  EXPECT_EQ(here.drafted, expected.drafted) << "the MTP layer's drafts";
  EXPECT_EQ(here.scores.size(), kPrompt - 1);
  EXPECT_EQ(here.scores, expected.scores) << "what the model thought of the prompt";
}

std::vector<std::string> layouts() {
  std::vector<std::string> all;
  for (const char* shape : {"tp=1,dp=1", "tp=2,dp=1", "tp=4,dp=1", "tp=1,dp=2", "tp=2,dp=2",
                            "tp=4,dp=2", "tp=8,dp=1", "tp=1,dp=5"}) {
    for (const char* slots : {"", ",redundant=3", ",shared=routed", ",redundant=5,shared=routed"}) {
      for (const char* overlap : {"", ",overlap=on"}) {
        all.push_back(std::string(shape) + slots + overlap);
      }
    }
  }
  for (const char* hosts : {"tp=2,dp=2,ranks_per_host=2", "tp=2,dp=4,ranks_per_host=4,overlap=on",
                            "tp=1,dp=4,ranks_per_host=2,redundant=4,shared=routed",
                            "tp=4,dp=2,ranks_per_host=4,redundant=8,overlap=on"}) {
    all.push_back(hosts);
  }
  return all;
}

std::vector<Case> matrix() {
  std::vector<Case> all;
  for (const checkpoint::NumericMode& mode : checkpoint::numeric_modes()) {
    const auto all_layouts = layouts();
    for (size_t i = 0; i < all_layouts.size(); i += testing::strides(mode)) {
      all.push_back({std::string(mode.name), all_layouts[i]});
    }
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Matrix, Layouts, ::testing::ValuesIn(matrix()), [](const auto& info) {
  std::string name = info.param.mode + "_" + info.param.layout;
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  }
  return name;
});

}  // namespace
}  // namespace baton::model
