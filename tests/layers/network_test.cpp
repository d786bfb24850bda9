#include "model/layers/network.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <new>

#include "tests/layers/fixture.h"

namespace {
std::atomic<size_t> allocations{0};
}

// Counts what the whole test program allocates.
void* operator new(size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void* operator new(size_t size, const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(size);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace baton::layers {
namespace {

using testing::Model;

// What a configuration changes of the tiny V3, or, where the name begins so, of the tiny V2.
const std::map<std::string, nlohmann::json> kConfigurations = {
    {"v3", {}},
    {"v2", {}},
    {"fp8", {}},
    {"v2_groups", {{"topk_method", "group_limited_greedy"}, {"n_group", 4}, {"topk_group", 2}}},
    {"v2_sigmoid", {{"scoring_func", "sigmoid"}, {"norm_topk_prob", true}}},
    {"softmax", {{"scoring_func", "softmax"}, {"norm_topk_prob", false}}},
    {"one_group", {{"n_group", nullptr}, {"topk_group", nullptr}, {"num_experts_per_tok", 8}}},
    {"all_moe", {{"first_k_dense_replace", 0}, {"n_shared_experts", 0}}},
    {"no_moe", {{"first_k_dense_replace", 3}, {"num_nextn_predict_layers", 0}}},
    {"every_second", {{"moe_layer_freq", 2}, {"routed_scaling_factor", 1}}},
    {"tied", {{"tie_word_embeddings", true}, {"q_lora_rank", nullptr}}},
    {"odd_sizes",
     {{"num_attention_heads", 3},
      {"qk_nope_head_dim", 5},
      {"qk_rope_head_dim", 2},
      {"v_head_dim", 7},
      {"q_lora_rank", 19},
      {"kv_lora_rank", 33}}},
};

baton::testing::CheckpointSpec spec_of(const std::string& name) {
  baton::testing::CheckpointSpec spec;
  if (name.starts_with("v2")) spec.config = baton::testing::tiny_v2_config();
  spec.fp8 = name == "fp8";
  if (name == "different_mscales") {
    spec.config["rope_scaling"] = baton::testing::tiny_v2_config()["rope_scaling"];
    spec.config["rope_scaling"]["mscale_all_dim"] = 0.3;
    return spec;
  }
  const auto& changes = kConfigurations.at(name);
  if (!changes.is_null()) spec.config.update(changes);
  return spec;
}

class NetworkOf : public ::testing::TestWithParam<const char*> {};

INSTANTIATE_TEST_SUITE_P(Configurations, NetworkOf,
                         ::testing::Values("v3", "v2", "fp8", "v2_groups", "v2_sigmoid", "softmax",
                                           "one_group", "all_moe", "no_moe", "every_second", "tied",
                                           "odd_sizes", "different_mscales"));

void expect_near(const float* row, const testing::Row& expected, const char* what, size_t at) {
  const double tolerance = testing::kNetworkTolerance * (1 + testing::largest(expected));
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_NEAR(row[i], expected[i], tolerance) << what << " row " << at;
  }
}

TEST_P(NetworkOf, AgreesWithDoubleInBothForms) {
  Model model(spec_of(GetParam()));
  const auto& config = model.config();
  const size_t n = config.hidden_size;
  constexpr uint32_t kRows = 70;
  const auto tokens = model.tokens(1, kRows + 1);
  const auto whole = model.network(kRows);
  Network& network = *whole;
  const testing::SlowNetwork slow(model.checkpoint());
  const auto expected = slow.hidden({tokens.begin(), tokens.end() - 1});
  auto cache = model.cache(2);
  const auto pages = testing::some_pages(2);
  for (const uint32_t prompt : {kRows + 1, 40u}) {
    RowPlan plan(network.rope(), kRows);
    plan.add(pages, prompt, 0, kRows);
    const auto hidden =
        network.forward(std::span(tokens).first(kRows), testing::WholeBatch(plan), cache, {});
    for (size_t r = 0; r < kRows; ++r) expect_near(hidden.data() + r * n, expected[r], "hidden", r);
    std::vector<float> logits(config.vocab_size);
    network.logits({hidden.data() + 69 * n, n, nullptr}, 1, logits.data());
    expect_near(logits.data(), slow.logits(expected[69]), "logits", 69);
    if (!network.has_mtp()) continue;
    std::vector<uint32_t> sources(kRows);
    std::iota(sources.begin(), sources.end(), 0u);
    network.mtp_entries(hidden, sources, std::span(tokens).subspan(1), plan, cache);
    RowPlan drafts(network.rope(), 1);
    drafts.add(pages, 1, 69, 1);
    const std::vector<uint32_t> rows = {69};
    const auto mtp = network.mtp_hidden(rows, testing::WholeBatch(drafts).batch, cache);
    const auto mtp_expected = slow.mtp_hidden(expected, tokens);
    expect_near(mtp.data(), mtp_expected[69], "MTP", 69);
    network.mtp_logits({mtp.data(), n, nullptr}, 1, logits.data());
    expect_near(logits.data(), slow.mtp_logits(mtp_expected[69]), "MTP logits", 69);
  }
}

TEST(Network, APassAllocatesNothing) {
  Model model;
  const auto tokens = model.tokens(1, 64);
  const auto whole = model.network(64);
  Network& network = *whole;
  auto cache = model.cache(1);
  const auto pages = testing::some_pages(1);
  RowPlan plan(network.rope(), 64);
  plan.add(pages, 40, 0, 64);
  const testing::WholeBatch batch(plan);
  const Network::LayerDone ignore = [](uint32_t) {};
  const auto pass = [&] { network.forward(tokens, batch, cache, ignore); };
  pass();
  const size_t before = allocations;
  pass();
  EXPECT_EQ(allocations, before);
}

TEST(Network, CountsExpertsOfItsMoeLayers) {
  Model model;
  const auto whole = model.network(8);
  Network& network = *whole;
  auto cache = model.cache(1);
  const auto pages = testing::some_pages(1);
  RowPlan plan(network.rope(), 8);
  plan.add(pages, 9, 0, 8);
  network.forward(model.tokens(1, 8), testing::WholeBatch(plan), cache, {});
  std::vector<uint32_t> counts;
  network.take_slot_tokens(counts);
  const size_t slots = network.slots_per_rank();
  ASSERT_EQ(counts.size(), 3 * slots) << "of layers with experts, the MTP layer's last";
  const auto second = std::span(counts).subspan(slots, slots);
  EXPECT_EQ(std::accumulate(second.begin(), second.end(), 0u), 24u);
  network.take_slot_tokens(counts);
  EXPECT_EQ(std::accumulate(counts.begin(), counts.end(), 0u), 0u) << "since the last time";
}

TEST(NetworkDeathTest, ATokenOutsideTheVocabularyStopsTheProcess) {
  Model model;
  const auto whole = model.network(8);
  Network& network = *whole;
  auto cache = model.cache(1);
  const auto pages = testing::some_pages(1);
  RowPlan plan(network.rope(), 8);
  plan.add(pages, 9, 0, 1);
  const std::vector<TokenId> tokens = {96};
  EXPECT_DEATH(network.forward(tokens, testing::WholeBatch(plan), cache, {}), "vocabulary");
}

}  // namespace
}  // namespace baton::layers
