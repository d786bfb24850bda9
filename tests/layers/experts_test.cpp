#include "model/layers/experts.h"

#include <gtest/gtest.h>

#include "model/layers/mlp/exact_mlp.h"
#include "tests/layers/fixture.h"

namespace baton::layers {
namespace {

using testing::Model;
using testing::random_floats;

class ExpertsOf : public ::testing::TestWithParam<nlohmann::json> {
 protected:
  static baton::testing::CheckpointSpec spec() {
    baton::testing::CheckpointSpec spec;
    spec.config.update(GetParam());
    return spec;
  }
};

// A whole layer on one rank.
void run(Experts& experts, const Model& model, const MoeWeights& weights, uint32_t rows,
         const float* x, float* residual) {
  const std::vector<uint32_t> sources{rows};
  experts.start(0, weights, model.replicas(), sources, rows, x);
  experts.compute(0, weights);
  experts.combine(0, residual);
}

ExpertSetup setup_of(const Model& model, uint32_t rows) {
  return {.rows_max = rows,
          .slots_per_rank = static_cast<uint32_t>(model.config().num_routed_experts)};
}

INSTANTIATE_TEST_SUITE_P(
    Configurations, ExpertsOf,
    ::testing::Values(nlohmann::json::object(), nlohmann::json{{"n_shared_experts", 0}},
                      nlohmann::json{{"n_shared_experts", 3}, {"norm_topk_prob", false}},
                      nlohmann::json{{"num_experts_per_tok", 4}, {"topk_group", 4}}));

TEST_P(ExpertsOf, AddTheWeightedOutputsOfTheChosen) {
  Model model(spec());
  const auto weights = model.weights();
  const auto& config = model.config();
  const size_t n = config.hidden_size;
  constexpr uint32_t kRows = 23;
  kernels::Team team(kernels::best_kernels(), model.pool, kernels::panel_floats(512));
  ExactMlp mlp(team, kRows * 512);
  Experts experts(config, setup_of(model, kRows), *model.port, team, mlp);
  const auto x = random_floats(1, kRows * n);
  const auto before = random_floats(2, kRows * n);
  auto residual = before;
  run(experts, model, *weights.layers[1].moe, kRows, x.data(), residual.data());
  const testing::SlowNetwork slow(model.checkpoint());
  for (size_t r = 0; r < kRows; ++r) {
    const auto added = slow.moe(1, testing::to_row(x.data() + r * n, n));
    const double tolerance = testing::kLayerTolerance * (1 + testing::largest(added));
    for (size_t i = 0; i < n; ++i) {
      EXPECT_NEAR(residual[r * n + i], before[r * n + i] + added[i], tolerance);
    }
  }
}

TEST_P(ExpertsOf, ARowsResultIsTheSameAlone) {
  Model model(spec());
  const auto weights = model.weights();
  const size_t n = model.config().hidden_size;
  constexpr uint32_t kRows = 9;
  kernels::Team team(kernels::best_kernels(), model.pool, kernels::panel_floats(512));
  ExactMlp mlp(team, kRows * 512);
  Experts experts(model.config(), setup_of(model, kRows), *model.port, team, mlp);
  const auto x = random_floats(3, kRows * n);
  std::vector<float> together(kRows * n);
  run(experts, model, *weights.layers[2].moe, kRows, x.data(), together.data());
  uint64_t tokens = 0;
  for (const uint32_t count : experts.rows_by_slot()) tokens += count;
  EXPECT_EQ(tokens, kRows * experts.chosen());
  for (size_t r = 0; r < kRows; ++r) {
    std::vector<float> alone(n);
    run(experts, model, *weights.layers[2].moe, 1, x.data() + r * n, alone.data());
    EXPECT_TRUE(std::equal(alone.begin(), alone.end(), together.begin() + static_cast<int>(r * n)));
  }
}

}  // namespace
}  // namespace baton::layers
