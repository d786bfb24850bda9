#include "model/layers/attention/fast_attention.h"

#include <gtest/gtest.h>

#include "model/checkpoint/packed/packer.h"
#include "tests/layers/fixture.h"
#include "tests/layers/slow_fast_attention.h"

namespace baton::layers {
namespace {

using testing::Model;

class FastAttentionOf : public ::testing::TestWithParam<nlohmann::json> {};

INSTANTIATE_TEST_SUITE_P(
    Configurations, FastAttentionOf,
    ::testing::Values(nlohmann::json::object(), nlohmann::json{{"q_lora_rank", nullptr}},
                      nlohmann::json{{"num_attention_heads", 1}, {"v_head_dim", 3}},
                      nlohmann::json{{"num_attention_heads", 12}, {"kv_lora_rank", 72}},
                      nlohmann::json{{"num_attention_heads", 40}, {"qk_nope_head_dim", 8}},
                      nlohmann::json{{"kv_lora_rank", 160}, {"qk_rope_head_dim", 10}}));

constexpr uint32_t kRows = 300;  // more than a span of the decode form

// Everything a rank needs to attend in mode fast.
struct Fast {
  explicit Fast(const nlohmann::json& changes, const char* name = "fast") : model(spec(changes)) {
    const auto mode = checkpoint::find_numeric_mode(name).value();
    file.emplace(
        open_packed(model.checkpoint(), {mode, {}}, kernels::best_kernels(), model.pool).value());
    weights =
        load_weights({model.checkpoint(), &*file}, kernels::best_kernels(), model.pool, {}).value();
    const auto& c = model.config();
    cache.emplace(kvcache::PoolMemory::create_private({static_cast<uint32_t>(c.num_cache_layers()),
                                                       static_cast<uint32_t>(mode.entry_bytes(c))},
                                                      5)
                      .value());
    team.emplace(kernels::best_kernels(), model.pool, 1,
                 kernels::int8_size(kRows, {8, static_cast<uint32_t>(128)}));
    attention = make_attention(mode, c, 1, kRows, *team);
    x = testing::random_floats(1, kRows * c.hidden_size);
  }
  static baton::testing::CheckpointSpec spec(const nlohmann::json& changes) {
    baton::testing::CheckpointSpec spec;
    spec.config.update(changes);
    return spec;
  }
  // Rows [first, first + count) of a prompt of so many tokens; their outputs.
  std::vector<float> run(uint32_t prompt, uint32_t first, uint32_t count) {
    const auto& w = weights.layers[0].attention;
    const size_t n = model.config().hidden_size;
    RowPlan plan(rope, kRows);
    plan.add(pages, prompt, first, count);
    std::vector<float> out(count * n);
    attention->write_entries(w, plan, 0, count, x.data() + first * n, *cache, 0);
    attention->query_inputs(w, 0, count, x.data() + first * n);
    attention->attend(w, plan, *cache, 0, out.data());
    return out;
  }

  Model model;
  std::optional<checkpoint::PackedFile> file;
  Weights weights;
  std::optional<kvcache::PoolMemory> cache;
  std::optional<kernels::Team> team;
  std::unique_ptr<Attention> attention;
  Rope rope{model.config()};
  std::vector<PageId> pages = testing::some_pages(5);
  std::vector<float> x;
};

void expect_slow_twin(Fast& fast, bool fp8) {
  const size_t n = fast.model.config().hidden_size;
  testing::SlowFastAttention slow(fast.model.checkpoint(), 0, fp8);
  std::vector<testing::Floats> entries;
  for (Position p = 0; p < kRows; ++p) entries.push_back(slow.entry(fast.x.data() + p * n, p));
  for (const uint32_t prompt : {kRows + 1, 1u, 70u}) {
    const auto out = fast.run(prompt, 0, kRows);
    for (const Position p : {0, 1, 31, 63, 64, 68, 69, 70, 127, 130, 255, 256, 260, 299}) {
      const std::vector<testing::Floats> seen(entries.begin(), entries.begin() + p + 1);
      const auto expected = slow.attend(fast.x.data() + p * n, p, p + 1 < prompt, seen);
      for (size_t i = 0; i < n; ++i) {
        ASSERT_EQ(out[p * n + i], expected[i]) << "prompt " << prompt << ", position " << p;
      }
    }
  }
}

TEST_P(FastAttentionOf, BothFormsHaveTheBytesOfTheirSlowTwin) {
  Fast fast(GetParam());
  expect_slow_twin(fast, false);
}

TEST_P(FastAttentionOf, BothFormsHaveTheBytesOfTheirSlowTwinWithFp8Entries) {
  Fast fast(GetParam(), "fast-kv8");
  expect_slow_twin(fast, true);
}

TEST_P(FastAttentionOf, EntriesAreRoundedToBf16) {
  Fast fast(GetParam());
  const auto& c = fast.model.config();
  const testing::SlowFastAttention slow(fast.model.checkpoint(), 0);
  fast.run(kRows + 1, 0, kRows);
  for (const Position p : {0, 63, 64, 299}) {
    const auto expected = slow.entry(fast.x.data() + p * c.hidden_size, p);
    const std::byte* stored = fast.cache->entry(fast.pages[p / 64], 0, p % 64);
    for (size_t i = 0; i < expected.size(); ++i) {
      uint16_t half = 0;
      std::memcpy(&half, stored + 2 * i, 2);
      ASSERT_EQ(static_cast<uint32_t>(half) << 16, std::bit_cast<uint32_t>(expected[i]));
    }
  }
}

// Chunks begin and end anywhere in a block, a tile or a span.
TEST_P(FastAttentionOf, NoCutShows) {
  Fast fast(GetParam());
  const size_t n = fast.model.config().hidden_size;
  for (const uint32_t prompt : {kRows + 1, 40u}) {
    const auto whole = fast.run(prompt, 0, kRows);
    for (const uint32_t chunk : {7u, 64u, 100u}) {
      for (uint32_t first = 0; first < kRows; first += chunk) {
        const auto part = fast.run(prompt, first, std::min(chunk, kRows - first));
        ASSERT_TRUE(
            std::equal(part.begin(), part.end(), whole.begin() + static_cast<ptrdiff_t>(first * n)))
            << prompt << " " << chunk << " " << first;
      }
    }
  }
}

// Against float32 entries and weights as they are: the distance that quantisation makes, which is
// some hundredths of the output's size (an activation and a weight are each off by up to 1/254 of
// their group's largest value, a score of size ten by a few hundredths).
void expect_close_to_exact(Fast& fast) {
  Model& model = fast.model;
  const size_t n = model.config().hidden_size;
  std::vector<testing::Row> rows;
  for (size_t r = 0; r < kRows; ++r) rows.push_back(testing::to_row(fast.x.data() + r * n, n));
  const auto expected = testing::SlowNetwork(model.checkpoint()).attention(0, rows);
  for (const uint32_t prompt : {kRows + 1, 1u}) {
    const auto out = fast.run(prompt, 0, kRows);
    double off = 0;
    double size = 0;
    for (size_t r = 0; r < kRows; ++r) {
      for (size_t i = 0; i < n; ++i) {
        off += std::pow(out[r * n + i] - expected[r][i], 2);
        size += std::pow(expected[r][i], 2);
      }
    }
    EXPECT_LT(std::sqrt(off / size), 0.05);
  }
}

TEST_P(FastAttentionOf, StaysCloseToExact) {
  for (const char* mode : {"fast", "fast-kv8"}) {
    SCOPED_TRACE(mode);
    Fast fast(GetParam(), mode);
    expect_close_to_exact(fast);
  }
}

}  // namespace
}  // namespace baton::layers
