#include "model/layers/attention/exact_attention.h"

#include <gtest/gtest.h>

#include <cstring>

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
  ExactAttention attention(config, 1, kRows, team, checkpoint::EntryForm::f32);
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

// With BF16 entries the bytes are those of float32 entries that have been rounded in the cache.
TEST_P(ExactAttentionOf, Bf16EntriesAreFloat32OnesRounded) {
  baton::testing::CheckpointSpec spec;
  spec.config.update(GetParam());
  Model model(spec);
  const auto weights = model.weights();
  const auto& config = model.config();
  const AttentionWeights& layer = weights.layers[0].attention;
  const size_t n = config.hidden_size;
  constexpr uint32_t kRows = 70;
  kernels::Team team(kernels::best_kernels(), model.pool, kernels::panel_floats(1024));
  ExactAttention exact(config, 1, kRows, team, checkpoint::EntryForm::f32);
  ExactAttention rounded(config, 1, kRows, team, checkpoint::EntryForm::bf16);
  auto cache = model.cache(2);
  auto halves =
      kvcache::PoolMemory::create_private({static_cast<uint32_t>(config.num_cache_layers()),
                                           static_cast<uint32_t>(config.kv_entry_width() * 2)},
                                          2)
          .value();
  const Rope rope(config);
  const auto pages = testing::some_pages(2);
  const auto x = testing::random_floats(1, kRows * n);
  for (const uint32_t prompt : {kRows + 1, 33u}) {
    RowPlan plan(rope, kRows);
    plan.add(pages, prompt, 0, kRows);
    std::vector<float> expected(kRows * n);
    std::vector<float> out(kRows * n);
    exact.write_entries(layer, plan, 0, kRows, x.data(), cache, 0);
    for (Position position = 0; position < kRows; ++position) {
      std::byte* entry = cache.entry(pages[position / kPageTokens], 0, position % kPageTokens);
      for (size_t i = 0; i < config.kv_entry_width(); ++i) {
        uint32_t bits = 0;
        std::memcpy(&bits, entry + 4 * i, 4);
        bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000;
        std::memcpy(entry + 4 * i, &bits, 4);
      }
    }
    exact.query_inputs(layer, 0, kRows, x.data());
    exact.attend(layer, plan, cache, 0, expected.data());
    rounded.write_entries(layer, plan, 0, kRows, x.data(), halves, 0);
    rounded.query_inputs(layer, 0, kRows, x.data());
    rounded.attend(layer, plan, halves, 0, out.data());
    EXPECT_EQ(out, expected) << prompt;
  }
}

TEST(ExactAttention, SegmentsOfTheOutputProjectionFollowFromTheHeads) {
  for (const auto& [heads, segments] :
       std::vector<std::pair<size_t, unsigned>>{{1, 1}, {6, 2}, {12, 4}, {16, 8}, {128, 8}}) {
    checkpoint::ModelConfig config;
    constexpr auto f32 = checkpoint::EntryForm::f32;
    config.num_heads = heads;
    config.qk_nope_head_dim = config.qk_rope_head_dim = 2;
    ThreadPool pool(1);
    kernels::Team team(kernels::best_kernels(), pool, 1);
    EXPECT_EQ(ExactAttention(config, 1, 1, team, f32).segments(), segments);
    EXPECT_EQ(ExactAttention(config, segments, 1, team, f32).segments(), 1u);
  }
}

TEST(ExactAttention, EntriesOfOtherLayersAndTokensStayAsTheyWere) {
  Model model;
  const auto weights = model.weights();
  kernels::Team team(kernels::best_kernels(), model.pool, kernels::panel_floats(512));
  ExactAttention attention(model.config(), 1, 8, team, checkpoint::EntryForm::f32);
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
