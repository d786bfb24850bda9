#include "model/sampling.h"

#include <gmock/gmock.h>

#include <cmath>
#include <map>
#include <set>

#include "base/hash/counter_rng.h"

namespace baton::model {
namespace {

using ::testing::AnyOf;
using ::testing::ElementsAre;

std::vector<float> random_logits(uint64_t seed, size_t n, double scale) {
  SeededRandom random(seed);
  std::vector<float> logits(n);
  for (float& value : logits) {
    value = static_cast<float>(scale * (static_cast<double>(random.next() >> 11) * 0x1p-52 - 1));
  }
  return logits;
}

// The sampler read literally, in double, by sorting everything.
std::map<TokenId, double> slow_distribution(std::vector<double> logits,
                                            const SamplingParams& params) {
  std::vector<TokenId> order(logits.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<TokenId>(i);
  std::stable_sort(order.begin(), order.end(),
                   [&](TokenId a, TokenId b) { return logits[a] > logits[b]; });
  const double best = logits[order[0]];
  if (params.top_k > 0 && params.top_k < order.size()) order.resize(params.top_k);
  double total = 0;
  const auto weight = [&](TokenId id) {
    return std::exp((logits[id] - best) / params.temperature);
  };
  for (const TokenId id : order) total += weight(id);
  std::map<TokenId, double> kept;
  double sum = 0;
  for (const TokenId id : order) {
    if (sum >= params.top_p * total) break;
    sum += weight(id);
    if (weight(id) >= params.min_p) kept[id] = weight(id);
  }
  double rest = 0;
  for (const auto& [id, w] : kept) rest += w;
  for (auto& [id, w] : kept) w /= rest;
  return kept;
}

class Sampling : public ::testing::Test {
 protected:
  TokenId choose(std::span<const float> logits, const SamplingParams& params, Position position = 0,
                 ChoiceIndex choice = 0) {
    Sampler sampler(kernels::best_kernels(), logits.size());
    return sampler.choose(logits, {params, {}, {}, {}, {}, choice, position});
  }

  // Frequencies over positions agree with the distribution, and nothing else is ever drawn.
  void expect_distribution(std::span<const float> logits, SamplingParams params) {
    const auto expected =
        slow_distribution(std::vector<double>(logits.begin(), logits.end()), params);
    Sampler sampler(kernels::best_kernels(), logits.size());
    std::map<TokenId, double> drawn;
    constexpr int kDraws = 4000;
    for (Position p = 0; p < kDraws; ++p) {
      drawn[sampler.choose(logits, {params, {}, {}, {}, {}, 0, p})] += 1.0 / kDraws;
    }
    for (const auto& [id, frequency] : drawn) ASSERT_TRUE(expected.contains(id)) << id;
    for (const auto& [id, p] : expected) {
      // Five standard deviations of a binomial frequency.
      EXPECT_NEAR(drawn[id], p, 5 * std::sqrt(p * (1 - p) / kDraws) + 1e-3) << id;
    }
  }
};

TEST_F(Sampling, GreedyTakesTheLargestAndTheLowerIdOfEquals) {
  const SamplingParams greedy{.temperature = 0};
  EXPECT_EQ(choose(std::vector<float>{1, 3, 2}, greedy), 1u);
  EXPECT_EQ(choose(std::vector<float>{1, 3, 3, 3}, greedy), 1u);
  EXPECT_EQ(choose(std::vector<float>{-5}, greedy), 0u);
}

TEST_F(Sampling, DrawsAreTheInverseOfTheDistributionFunctionInIdOrder) {
  const std::vector<float> logits(4, 1.0f);  // a quarter each
  for (Position p = 0; p < 200; ++p) {
    const auto expected = static_cast<TokenId>(uniform_draw(9, 2, p) * 4);
    EXPECT_EQ(choose(logits, {.seed = 9}, p, 2), expected);
  }
}

TEST_F(Sampling, TheDrawDependsOnSeedChoiceAndPositionAlone) {
  const auto logits = random_logits(1, 500, 2);
  std::set<TokenId> seeds;
  std::set<TokenId> choices;
  std::set<TokenId> positions;
  for (uint32_t i = 0; i < 20; ++i) {
    seeds.insert(choose(logits, {.seed = i}, 3, 1));
    choices.insert(choose(logits, {.seed = 7}, 3, i));
    positions.insert(choose(logits, {.seed = 7}, i, 1));
    EXPECT_EQ(choose(logits, {.seed = i}, 3, 1), choose(logits, {.seed = i}, 3, 1));
  }
  EXPECT_GT(seeds.size(), 5u);
  EXPECT_GT(choices.size(), 5u);
  EXPECT_GT(positions.size(), 5u);
}

TEST_F(Sampling, FollowsTheDistributionUnderEachFilter) {
  const auto logits = random_logits(2, 40, 3);
  expect_distribution(logits, {});
  expect_distribution(logits, {.temperature = 0.5f});
  expect_distribution(logits, {.temperature = 2});
  expect_distribution(logits, {.top_k = 5});
  expect_distribution(logits, {.top_p = 0.6f});
  expect_distribution(logits, {.min_p = 0.2f});
  expect_distribution(logits, {.temperature = 1.5f, .top_p = 0.8f, .top_k = 12, .min_p = 0.05f});
}

TEST_F(Sampling, AWideNucleusIsTheSameAsByFullSorting) {
  const auto logits = random_logits(3, 3000, 1);
  for (const float top_p : {0.01f, 0.3f, 0.9f, 0.999f}) {
    const SamplingParams params{.top_p = top_p};
    const auto expected =
        slow_distribution(std::vector<double>(logits.begin(), logits.end()), params);
    Sampler sampler(kernels::best_kernels(), logits.size());
    for (Position p = 0; p < 100; ++p) {
      EXPECT_TRUE(expected.contains(sampler.choose(logits, {params, {}, {}, {}, {}, 0, p})));
    }
  }
}

TEST_F(Sampling, TopKOfOneAndTinyTopPAreGreedy) {
  const auto logits = random_logits(4, 100, 5);
  for (Position p = 0; p < 50; ++p) {
    EXPECT_EQ(choose(logits, {.top_k = 1}, p), argmax(logits));
    EXPECT_EQ(choose(logits, {.top_p = 1e-6f}, p), argmax(logits));
    EXPECT_EQ(choose(logits, {.temperature = 1e-4f}, p), argmax(logits));
  }
}

TEST_F(Sampling, PenaltiesCountThisStepsTokensToo) {
  Sampler sampler(kernels::best_kernels(), 4);
  const std::vector<float> logits = {2.0f, 1.9f, 1.8f, -1.0f};
  SamplingParams params{.temperature = 0, .presence_penalty = 0.15f};
  const std::vector<TokenId> zero = {0};
  const std::vector<TokenId> one = {1};
  EXPECT_EQ(sampler.choose(logits, {params, zero, {}, {}, {}, 0, 0}), 0u) << "prompt is free";
  EXPECT_EQ(sampler.choose(logits, {params, {}, zero, {}, {}, 0, 0}), 1u);
  EXPECT_EQ(sampler.choose(logits, {params, {}, zero, one, {}, 0, 0}), 0u);
  params = {.temperature = 0, .frequency_penalty = 0.15f};
  const std::vector<TokenId> twice = {0, 0, 1};
  EXPECT_EQ(sampler.choose(logits, {params, {}, twice, {}, {}, 0, 0}), 2u);
  params = {.temperature = 0, .repetition_penalty = 1.2f};
  EXPECT_EQ(sampler.choose(logits, {params, zero, one, {}, {}, 0, 0}), 2u) << "prompt counts";
  EXPECT_EQ(sampler.choose(logits, {params, {}, {}, {}, {}, 0, 0}), 0u) << "nothing is left over";
}

TEST_F(Sampling, RepetitionPenaltyPushesNegativeLogitsDown) {
  Sampler sampler(kernels::best_kernels(), 2);
  const std::vector<float> logits = {-1.0f, -1.1f};
  const std::vector<TokenId> zero = {0};
  const SamplingParams params{.temperature = 0, .repetition_penalty = 2};
  EXPECT_EQ(sampler.choose(logits, {params, zero, {}, {}, {}, 0, 0}), 1u);
}

TEST_F(Sampling, BiasAddsAndMaskForbids) {
  Sampler sampler(kernels::best_kernels(), 3);
  const std::vector<float> logits = {1, 0, 0.5f};
  SamplingParams params{.temperature = 0, .logit_bias = {{1, 5.0f}}};
  EXPECT_EQ(sampler.choose(logits, {params, {}, {}, {}, {}, 0, 0}), 1u);
  const std::vector<TokenId> masked = {1, 0};
  EXPECT_EQ(sampler.choose(logits, {params, {}, {}, {}, masked, 0, 0}), 2u);
  params.temperature = 1;
  for (Position p = 0; p < 50; ++p) {
    EXPECT_EQ(sampler.choose(logits, {params, {}, {}, {}, masked, 0, p}), 2u);
  }
}

TEST_F(Sampling, ABadWordsLastTokenIsForbiddenWhereTheRestWasSaid) {
  Sampler sampler(kernels::best_kernels(), 4);
  const std::vector<float> logits = {1, 3, 2, 0};
  const std::vector<TokenId> output = {2, 3}, fresh = {0};
  SamplingParams params{.temperature = 0, .bad_words = {{3, 0, 1}}};
  EXPECT_EQ(sampler.choose(logits, {params, {}, output, fresh, {}, 0, 0}), 2u);
  EXPECT_EQ(sampler.choose(logits, {params, {}, output, {}, {}, 0, 0}), 1u);
  EXPECT_EQ(sampler.choose(logits, {params, output, {}, {}, {}, 0, 0}), 1u)
      << "a prompt may say it";
  params.bad_words = {{1}, {}, {2}};
  EXPECT_EQ(sampler.choose(logits, {params, {}, {}, {}, {}, 0, 0}), 0u);
}

TEST_F(Sampling, OnlyAllowedTokensAreChosenWhateverElseForbidsThem) {
  Sampler sampler(kernels::best_kernels(), 4);
  const std::vector<float> logits = {1, 3, 2, 0};
  SamplingParams params{.temperature = 0, .allowed = {0, 2}};
  EXPECT_EQ(sampler.choose(logits, {params, {}, {}, {}, {}, 0, 0}), 2u);
  const std::vector<TokenId> masked = {2};
  EXPECT_EQ(sampler.choose(logits, {params, {}, {}, {}, masked, 0, 0}), 0u);
  params.bad_words = {{0}};
  EXPECT_EQ(sampler.choose(logits, {params, {}, {}, {}, masked, 0, 0}), 0u);
  params.temperature = 1;
  for (Position p = 0; p < 50; ++p) {
    EXPECT_THAT(sampler.choose(logits, {params, {}, {}, {}, masked, 0, p}), AnyOf(0u, 2u));
  }
}

TEST_F(Sampling, AScoreHasItsRankAndTheAlternatives) {
  const std::vector<float> logits = {1, 3, 2, 3};
  const PromptScore score = score_of(logits, 4, 2, 2);
  EXPECT_EQ(score.token, (TokenLogprob{2, -2}));
  EXPECT_EQ(score.rank, 3u);
  EXPECT_THAT(score.top, ElementsAre(TokenLogprob{1, -1}, TokenLogprob{3, -1}));
  EXPECT_EQ(score_of(logits, 4, 3, 0).rank, 1u) << "of equals each is the first";
}

TEST_F(Sampling, TopLogprobsAreBestFirstWithTheLowerIdOfEquals) {
  const std::vector<float> logits = {1, 5, 3, 5, 4, 3};
  const auto top = top_logprobs(logits, 10, 4);
  EXPECT_THAT(top, ElementsAre(TokenLogprob{1, -5}, TokenLogprob{3, -5}, TokenLogprob{4, -6},
                               TokenLogprob{2, -7}));
  EXPECT_TRUE(top_logprobs(logits, 10, 0).empty());
  EXPECT_EQ(top_logprobs(logits, 10, 20).size(), logits.size());
}

TEST_F(Sampling, NumbersThatAreNoneDoNotCrash) {
  const std::vector<float> logits(10, std::nanf(""));
  EXPECT_LT(choose(logits, {.temperature = 0}), 10u);
  EXPECT_LT(choose(logits, {.top_p = 0.5f}), 10u);
  EXPECT_LT(choose(logits, {}), 10u);
}

TEST_F(Sampling, TheDigestSeesEveryBit) {
  std::vector<float> logits = {0, 1, 2};
  const Digest before = logits_digest(logits);
  EXPECT_EQ(before, logits_digest(logits));
  logits[0] = -0.0f;
  EXPECT_NE(before, logits_digest(logits));
}

TEST_F(Sampling, a_token_outside_of_the_mask_is_never_chosen) {
  constexpr size_t kVocabulary = 130;
  const auto logits = random_logits(5, kVocabulary, 4);
  std::vector<uint64_t> mask(3);
  for (const TokenId id : {3u, 64u, 77u, 129u}) mask[id / 64] |= uint64_t{1} << (id % 64);
  Sampler sampler(kernels::best_kernels(), kVocabulary);
  std::set<TokenId> chosen;
  SamplingParams params;
  for (Position position = 0; position < 300; ++position)
    chosen.insert(sampler.choose(logits, {params, {}, {}, {}, {}, 0, position, mask}));
  EXPECT_THAT(chosen, ElementsAre(3, 64, 77, 129));
  TokenId best = 3;
  for (const TokenId id : {64u, 77u, 129u}) best = logits[id] > logits[best] ? id : best;
  params.temperature = 0;
  EXPECT_EQ(sampler.choose(logits, {params, {}, {}, {}, {}, 0, 0, mask}), best);
}

// Whatever else forbids all of them, one of them is said.
TEST_F(Sampling, the_mask_wins_over_everything_else) {
  constexpr size_t kVocabulary = 70;
  const auto logits = random_logits(6, kVocabulary, 4);
  const std::vector<uint64_t> mask{0, 0b100000};  // 69
  Sampler sampler(kernels::best_kernels(), kVocabulary);
  const std::vector<TokenId> masked{69};
  SamplingParams params;
  params.allowed = {1, 2};
  params.bad_words = {{69}};
  EXPECT_EQ(sampler.choose(logits, {params, {}, {}, {}, masked, 0, 0, mask}), 69u);
  params.temperature = 0;
  EXPECT_EQ(sampler.choose(logits, {params, {}, {}, {}, masked, 0, 0, mask}), 69u);
}

}  // namespace
}  // namespace baton::model
