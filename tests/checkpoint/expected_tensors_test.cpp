#include "model/checkpoint/expected_tensors.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/support/checkpoint_writer.h"

namespace baton::checkpoint {
namespace {

using testing::tiny_v2_config;
using testing::tiny_v3_config;

std::map<std::string, ExpectedTensor> by_name(const nlohmann::json& json) {
  std::map<std::string, ExpectedTensor> all;
  for (const auto& tensor : expected_tensors(*parse_config(json.dump(), "", "DIR"))) {
    EXPECT_TRUE(all.emplace(tensor.name, tensor).second) << tensor.name << " comes twice";
  }
  return all;
}

TEST(ExpectedTensors, NamesTheTensorsOfV3) {
  const auto all = by_name(tiny_v3_config());
  EXPECT_EQ(all.at("model.embed_tokens.weight").shape, (Shape{96, 40}));
  EXPECT_EQ(all.at("lm_head.weight").shape, (Shape{96, 40}));
  EXPECT_EQ(all.at("model.layers.0.self_attn.q_a_proj.weight").shape, (Shape{24, 40}));
  EXPECT_EQ(all.at("model.layers.0.self_attn.q_b_proj.weight").shape, (Shape{56, 24}));
  EXPECT_EQ(all.at("model.layers.0.self_attn.kv_a_proj_with_mqa.weight").shape, (Shape{38, 40}));
  EXPECT_EQ(all.at("model.layers.0.self_attn.kv_a_layernorm.weight").shape, (Shape{32}));
  EXPECT_EQ(all.at("model.layers.0.self_attn.kv_b_proj.weight").shape, (Shape{64, 32}));
  EXPECT_EQ(all.at("model.layers.0.self_attn.o_proj.weight").shape, (Shape{40, 32}));
  EXPECT_EQ(all.at("model.layers.0.mlp.down_proj.weight").shape, (Shape{40, 56}));
  EXPECT_EQ(all.at("model.layers.1.mlp.gate.weight").shape, (Shape{8, 40}));
  EXPECT_EQ(all.at("model.layers.1.mlp.gate.e_score_correction_bias").shape, (Shape{8}));
  EXPECT_EQ(all.at("model.layers.2.mlp.experts.7.up_proj.weight").shape, (Shape{20, 40}));
  EXPECT_EQ(all.at("model.layers.2.mlp.shared_experts.down_proj.weight").shape, (Shape{40, 20}));
  EXPECT_EQ(all.at("model.layers.3.eh_proj.weight").shape, (Shape{40, 80}));
  EXPECT_TRUE(all.at("model.layers.3.mlp.gate.weight").mtp);
  EXPECT_TRUE(all.at("model.layers.3.embed_tokens.weight").optional);
  EXPECT_FALSE(all.contains("model.layers.0.mlp.gate.weight"));
  EXPECT_FALSE(all.contains("model.layers.1.mlp.up_proj.weight"));
  EXPECT_FALSE(all.contains("model.layers.4.input_layernorm.weight"));
}

TEST(ExpectedTensors, FollowsTheOptions) {
  auto json = tiny_v2_config();
  json["tie_word_embeddings"] = true;
  json["moe_layer_freq"] = 2;
  const auto all = by_name(json);
  EXPECT_EQ(all.at("model.layers.0.self_attn.q_proj.weight").shape, (Shape{56, 40}));
  EXPECT_FALSE(all.contains("model.layers.0.self_attn.q_a_proj.weight"));
  EXPECT_FALSE(all.contains("lm_head.weight"));
  EXPECT_FALSE(all.contains("model.layers.2.mlp.gate.e_score_correction_bias"));
  EXPECT_EQ(all.at("model.layers.2.mlp.shared_experts.up_proj.weight").shape, (Shape{40, 40}));
  EXPECT_TRUE(all.contains("model.layers.1.mlp.up_proj.weight"))
      << "every second layer has experts";
  json["n_shared_experts"] = nullptr;
  EXPECT_FALSE(by_name(json).contains("model.layers.2.mlp.shared_experts.up_proj.weight"));
}

TEST(ExpectedTensors, OnlyProjectionsMayBeFp8) {
  for (const auto& [name, tensor] : by_name(tiny_v3_config())) {
    const bool projection = name.ends_with("_proj.weight") || name.ends_with("_with_mqa.weight");
    EXPECT_EQ(tensor.fp8, projection) << name;
    if (tensor.fp8) {
      EXPECT_EQ(tensor.shape.size(), 2u) << name;
    }
  }
}

TEST(ExpectedTensors, AVisitorStopsTheWalk) {
  auto json = tiny_v3_config();
  json["num_hidden_layers"] = 1024;
  json["n_routed_experts"] = 16384;
  const auto config = parse_config(json.dump(), "", "DIR");
  size_t seen = 0;
  visit_expected_tensors(*config, [&](const ExpectedTensor&) { return ++seen < 100; });
  EXPECT_EQ(seen, 100u);
}

TEST(ExpectedTensors, ScalesHaveOneEntryABlockPartialOnesIncluded) {
  EXPECT_EQ(scale_name("a.weight"), "a.weight_scale_inv");
  EXPECT_EQ(scale_shape({128, 256}), (Shape{1, 2}));
  EXPECT_EQ(scale_shape({129, 255}), (Shape{2, 2}));
  EXPECT_EQ(scale_shape({1, 1}), (Shape{1, 1}));
}

}  // namespace
}  // namespace baton::checkpoint
