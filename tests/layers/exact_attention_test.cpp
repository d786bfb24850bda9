#include "model/layers/attention/exact_attention.h"

#include <gtest/gtest.h>

#include "tests/layers/fixture.h"

namespace baton::layers {
namespace {

using testing::Model;

class ExactAttentionOf : public ::testing::TestWithParam<nlohmann::json> {};

INSTANTIATE_TEST_SUITE_P(
    Configurations, ExactAttentionOf,
    ::testing::Values(nlohmann::json::object(), nlohmann::json{{"q_lora_rank", nullptr}},
                      nlohmann::json{{"num_attention_heads", 1}, {"v_head_dim", 3}},
                      nlohmann::json{{"num_attention_heads", 12}, {"kv_lora_rank", 72}},
                      nlohmann::json{{"num_attention_heads", 16}, {"qk_rope_head_dim", 64}}));

// All rows in the prefill form, then all but the first in the decode form: both are attention.
TEST_P(ExactAttentionOf, BothFormsAgreeWithDouble) {
  baton::testing::CheckpointSpec spec;
  spec.config.update(GetParam());
  Model model(spec);
  const auto weights = model.weights();
  const auto& config = model.config();
  const size_t n = config.hidden_size;
  constexpr uint32_t kRows = 131;
  kernels::Team team(kernels::best_kernels(), model.pool, kernels::panel_floats(1024));
  ExactAttention attention(config, 1, kRows, team);
  const Rope rope(config);
  const auto pages = testing::some_pages(3);
  auto cache = model.cache(3);
  const auto x = testing::random_floats(1, kRows * n);
  std::vector<testing::Row> rows;
  for (size_t r = 0; r < kRows; ++r) rows.push_back(testing::to_row(x.data() + r * n, n));
  const auto expected = testing::SlowNetwork(model.checkpoint()).attention(0, rows);
  for (const uint32_t prompt : {kRows + 1, 1u, 70u}) {
    RowPlan plan(rope, kRows);
    plan.add(pages, prompt, 0, kRows);
    std::vector<float> out(kRows * n);
    attention.write_entries(weights.layers[0].attention, plan, 0, kRows, x.data(), cache, 0);
    attention.query_inputs(weights.layers[0].attention, 0, kRows, x.data());
    attention.attend(weights.layers[0].attention, plan, cache, 0, out.data());
    for (size_t r = 0; r < kRows; ++r) {
      const double tolerance = testing::kLayerTolerance * (1 + testing::largest(expected[r]));
      for (size_t i = 0; i < n; ++i) {
        ASSERT_NEAR(out[r * n + i], expected[r][i], tolerance) << prompt << " " << r;
      }
    }
  }
}

TEST(ExactAttention, SegmentsOfTheOutputProjectionFollowFromTheHeads) {
  for (const auto& [heads, segments] :
       std::vector<std::pair<size_t, unsigned>>{{1, 1}, {6, 2}, {12, 4}, {16, 8}, {128, 8}}) {
    checkpoint::ModelConfig config;
    config.num_heads = heads;
    config.qk_nope_head_dim = config.qk_rope_head_dim = 2;
    ThreadPool pool(1);
    kernels::Team team(kernels::best_kernels(), pool, 1);
    EXPECT_EQ(ExactAttention(config, 1, 1, team).segments(), segments);
    EXPECT_EQ(ExactAttention(config, segments, 1, team).segments(), 1u);
  }
}

TEST(ExactAttention, EntriesOfOtherLayersAndTokensStayAsTheyWere) {
  Model model;
  const auto weights = model.weights();
  kernels::Team team(kernels::best_kernels(), model.pool, kernels::panel_floats(512));
  ExactAttention attention(model.config(), 1, 8, team);
  const Rope rope(model.config());
  const auto pages = testing::some_pages(2);
  auto cache = model.cache(2);
  for (uint32_t page = 0; page < 2; ++page) {
    for (uint32_t l = 0; l < cache.format().layers; ++l) {
      std::ranges::fill(cache.block(PageId(page), l), std::byte{0x5a});
    }
  }
  RowPlan plan(rope, 8);
  plan.add(pages, 100, 62, 4);  // over the border of two pages
  const auto x = testing::random_floats(1, 4 * model.config().hidden_size);
  attention.write_entries(weights.layers[1].attention, plan, 0, 4, x.data(), cache, 1);
  for (Position position = 0; position < 128; ++position) {
    for (uint32_t l = 0; l < cache.format().layers; ++l) {
      const std::byte* entry = cache.entry(pages[position / 64], l, position % 64);
      const bool untouched = std::all_of(entry, entry + cache.format().entry_bytes,
                                         [](std::byte b) { return b == std::byte{0x5a}; });
      EXPECT_EQ(untouched, !(l == 1 && position >= 62 && position < 66));
    }
  }
}

}  // namespace
}  // namespace baton::layers
