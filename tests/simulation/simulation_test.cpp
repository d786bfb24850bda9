// A thousand days in the life of a cluster, each from its seed. A seed that fails is repeated with
// BATON_SIM_FIRST=<seed> BATON_SIM_SEEDS=1 ; more are tried with a larger BATON_SIM_SEEDS.
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/simulation/fake_model.h"
#include "tests/simulation/world.h"

namespace baton::simulation {
namespace {

uint64_t from_environment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

TEST(Simulation, EveryRequestEndsOnceWithTheTokensOfTheFaultFreeRunAndNothingIsLeftOver) {
  const text::Tokenizer tokenizer = fake_tokenizer();
  const uint64_t first = from_environment("BATON_SIM_FIRST", 1);
  const uint64_t seeds = from_environment("BATON_SIM_SEEDS", 1000);
  Outcome sum;
  for (uint64_t seed = first; seed < first + seeds; ++seed) {
    const Outcome outcome = World(seed, tokenizer).run();
    ASSERT_FALSE(outcome.wrong) << "seed " << seed << ", " << *outcome.wrong
                                << "\nrepeat it with BATON_SIM_FIRST=" << seed
                                << " BATON_SIM_SEEDS=1";
    if (seed % 8 == 0) {
      EXPECT_EQ(outcome.placed_again, outcome.preempted) << "without a fault, seed " << seed;
    }
    sum.finished += outcome.finished;
    sum.failed += outcome.failed;
    sum.cancelled += outcome.cancelled;
    sum.placed_again += outcome.placed_again;
    sum.preempted += outcome.preempted;
    sum.corrupt_frames += outcome.corrupt_frames;
    sum.crashes += outcome.crashes;
    sum.tokens += outcome.tokens;
    sum.prompt_tokens += outcome.prompt_tokens;
    sum.cached_tokens += outcome.cached_tokens;
    sum.fetched_tokens += outcome.fetched_tokens;
    sum.pages_kept += outcome.pages_kept;
    sum.salvaged += outcome.salvaged;
    sum.went_on += outcome.went_on;
  }
  printf(
      "%u finished, %u failed, %u cancelled; %lu tokens, %lu placed again (%lu gave way to "
      "older ones), %lu corrupt frames, "
      "%lu crashes; %lu of %lu prompt tokens were cached, %lu of them in the kvstore; "
      "%lu pages were at decode, %lu were salvaged, %lu prompts went on there\n",
      sum.finished, sum.failed, sum.cancelled, sum.tokens, sum.placed_again, sum.preempted,
      sum.corrupt_frames, sum.crashes, sum.cached_tokens, sum.prompt_tokens, sum.fetched_tokens,
      sum.pages_kept, sum.salvaged, sum.went_on);
  if (seeds >= 1000) {  // the world was hard, and the cluster was good at it
    EXPECT_GT(sum.crashes, 1000u);
    EXPECT_GT(sum.corrupt_frames, 500u);
    EXPECT_GT(sum.placed_again, 1000u);
    EXPECT_GT(sum.preempted, 20u);
    EXPECT_GT(sum.finished, 4 * sum.failed);
    EXPECT_GT(sum.cached_tokens, sum.prompt_tokens / 20);
    EXPECT_GT(sum.fetched_tokens, sum.cached_tokens / 20);
    EXPECT_GT(sum.pages_kept, 500u);
    EXPECT_GT(sum.salvaged, 50u);
    EXPECT_GT(sum.went_on, 10u);
  }
}

TEST(Simulation, TheSameSeedIsTheSameDay) {
  const text::Tokenizer tokenizer = fake_tokenizer();
  for (const uint64_t seed : {3, 11, 42}) {
    const Outcome a = World(seed, tokenizer).run();
    const Outcome b = World(seed, tokenizer).run();
    EXPECT_EQ(a.finished, b.finished);
    EXPECT_EQ(a.tokens, b.tokens);
    EXPECT_EQ(a.placed_again, b.placed_again);
    EXPECT_EQ(a.corrupt_frames, b.corrupt_frames);
  }
}

// The checks can fail: a cluster broken on purpose is found out within a few seeds.
struct Harm {
  const char* name;
  Sabotage sabotage;
  const char* sentence;  // part of what the checks must say of it
};

void PrintTo(const Harm& harm, std::ostream* out) { *out << harm.name; }

class Sabotaged : public testing::TestWithParam<Harm> {};

TEST_P(Sabotaged, IsFoundOut) {
  const text::Tokenizer tokenizer = fake_tokenizer();
  const auto& [name, sabotage, sentence] = GetParam();
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const Outcome outcome = World(seed, tokenizer, sabotage).run();
    if (!outcome.wrong) continue;
    EXPECT_NE(outcome.wrong->find(sentence), std::string::npos) << *outcome.wrong;
    return;
  }
  FAIL() << "nobody noticed";
}

INSTANTIATE_TEST_SUITE_P(
    Simulation, Sabotaged,
    testing::Values(Harm{"believe_frames", Sabotage::believe_frames, "fault-free it is"},
                    Harm{"stale_pages", Sabotage::stale_pages, "fault-free it is"},
                    Harm{"spoilt_store", Sabotage::spoilt_store, "fault-free it is"},
                    Harm{"spoilt_prefix", Sabotage::spoilt_prefix, "fault-free it is"},
                    Harm{"repeat_token", Sabotage::repeat_token, "fault-free it is"},
                    Harm{"drop_token", Sabotage::drop_token, "fault-free it is"},
                    Harm{"lose_step", Sabotage::lose_step, "left over"}),
    [](const auto& harm) { return std::string(harm.param.name); });

}  // namespace
}  // namespace baton::simulation
