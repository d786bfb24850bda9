#include "model/layers/router.h"

#include <gmock/gmock.h>

#include <cmath>

namespace baton::layers {
namespace {

using checkpoint::Scoring;
using checkpoint::TopkMethod;
using ::testing::ElementsAre;

struct Chosen {
  std::vector<uint32_t> experts;
  std::vector<float> weights;
};

checkpoint::ModelConfig config_of(TopkMethod method, size_t experts, size_t chosen,
                                  size_t groups = 1, size_t kept = 1) {
  checkpoint::ModelConfig config;
  config.topk_method = method;
  config.scoring = method == TopkMethod::noaux_tc ? Scoring::sigmoid : Scoring::softmax;
  config.num_routed_experts = experts;
  config.experts_per_token = chosen;
  config.num_groups = groups;
  config.topk_groups = kept;
  config.norm_topk_prob = false;
  return config;
}

Chosen choose(const checkpoint::ModelConfig& config, std::vector<float> logits,
              const std::vector<float>& bias = {}) {
  const Router router(config);
  Chosen chosen{std::vector<uint32_t>(router.chosen()), std::vector<float>(router.chosen())};
  std::vector<float> scratch(router.scratch_floats());
  router.choose(kernels::best_kernels(), logits, bias, scratch, chosen.experts, chosen.weights);
  return chosen;
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

TEST(Router, GreedyTakesTheBestSoftmaxScores) {
  const auto chosen = choose(config_of(TopkMethod::greedy, 4, 2), {0, 3, 1, 2});
  EXPECT_THAT(chosen.experts, ElementsAre(1, 3));
  const double sum = std::exp(0) + std::exp(3) + std::exp(1) + std::exp(2);
  EXPECT_NEAR(chosen.weights[0], std::exp(3) / sum, 1e-6);
  EXPECT_NEAR(chosen.weights[1], std::exp(2) / sum, 1e-6);
}

TEST(Router, TiesGoToTheLowerId) {
  EXPECT_THAT(choose(config_of(TopkMethod::greedy, 5, 3), {1, 1, 1, 1, 1}).experts,
              ElementsAre(0, 1, 2));
  EXPECT_THAT(choose(config_of(TopkMethod::noaux_tc, 8, 2, 4, 1), std::vector<float>(8, 0.5f),
                     std::vector<float>(8))
                  .experts,
              ElementsAre(0, 1))
      << "groups too";
}

TEST(Router, NoauxChoosesByBiasAndWeighsWithout) {
  const auto chosen = choose(config_of(TopkMethod::noaux_tc, 4, 2), {1, 0.9f, 0, -1}, {0, 0, 0, 5});
  EXPECT_THAT(chosen.experts, ElementsAre(0, 3));
  EXPECT_NEAR(chosen.weights[0], sigmoid(1), 1e-6);
  EXPECT_NEAR(chosen.weights[1], sigmoid(-1), 1e-6);
}

TEST(Router, NoauxCorrectsSoftmaxScoresToo) {
  auto config = config_of(TopkMethod::noaux_tc, 3, 1);
  config.scoring = Scoring::softmax;
  const auto chosen = choose(config, {1, 2, 0}, {0, 0, 0.7f});
  EXPECT_THAT(chosen.experts, ElementsAre(2)) << "0.09 + 0.7 against 0.67";
  EXPECT_NEAR(chosen.weights[0], 1 / (std::exp(1) + std::exp(2) + 1), 1e-6);
}

TEST(Router, GreedyTakesSigmoidScoresToo) {
  auto config = config_of(TopkMethod::greedy, 3, 2);
  config.scoring = Scoring::sigmoid;
  const auto chosen = choose(config, {1, 2, 0});
  EXPECT_THAT(chosen.experts, ElementsAre(0, 1));
  EXPECT_NEAR(chosen.weights[1], sigmoid(2), 1e-6);
}

TEST(Router, NoauxJudgesAGroupByItsTwoBest) {
  // Group 0 has the best expert, group 1 the better pair.
  const std::vector<float> logits = {3, -9, -9, 2, 2, -9};
  const auto chosen =
      choose(config_of(TopkMethod::noaux_tc, 6, 2, 2, 1), logits, std::vector<float>(6));
  EXPECT_THAT(chosen.experts, ElementsAre(3, 4));
}

TEST(Router, GroupLimitedGreedyJudgesAGroupByItsBest) {
  const std::vector<float> logits = {3, -9, -9, 2, 2, -9};
  EXPECT_THAT(choose(config_of(TopkMethod::group_limited_greedy, 6, 2, 2, 1), logits).experts,
              ElementsAre(0, 1));
}

TEST(Router, GreedyLooksAtNoGroups) {
  const std::vector<float> logits = {3, -9, -9, 2, 2, -9};
  EXPECT_THAT(choose(config_of(TopkMethod::greedy, 6, 2, 2, 1), logits).experts, ElementsAre(0, 3));
}

TEST(Router, NormalisesOverTheChosenAndScales) {
  auto config = config_of(TopkMethod::noaux_tc, 4, 2);
  config.norm_topk_prob = true;
  config.routed_scaling_factor = 2.5;
  const auto chosen = choose(config, {1, 2, -3, -4}, std::vector<float>(4));
  EXPECT_NEAR(chosen.weights[0] + chosen.weights[1], 2.5, 1e-6);
  EXPECT_NEAR(chosen.weights[0], 2.5 * sigmoid(1) / (sigmoid(1) + sigmoid(2)), 1e-6);
}

TEST(Router, OneExpertIsAlwaysChosen) {
  const auto chosen = choose(config_of(TopkMethod::noaux_tc, 1, 1), {-4}, {0});
  EXPECT_THAT(chosen.experts, ElementsAre(0));
}

TEST(Router, NumbersThatAreNoneDoNotStopIt) {
  const auto chosen =
      choose(config_of(TopkMethod::greedy, 4, 2), std::vector<float>(4, std::nanf("")));
  EXPECT_THAT(chosen.experts, ElementsAre(0, 1));
}

}  // namespace
}  // namespace baton::layers
