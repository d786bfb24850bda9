#include "model/checkpoint/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/checkpoint_writer.h"
#include "tests/support/shared_data.h"
#include "tests/support/source_dir.h"
#include "tests/support/temporary_folder.h"

namespace baton::checkpoint {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::TemporaryFolder;
using testing::tiny_v2_config;
using testing::tiny_v3_config;
using Json = nlohmann::json;

Result<ModelConfig> parse(const Json& config, std::string_view generation = "") {
  return parse_config(config.dump(), generation, "DIR");
}

// The sentence that refuses `base` with one field set to `value`, or "" if it is accepted.
std::string refusal(Json base, const std::string& field, const Json& value) {
  base[field] = value;
  const auto parsed = parse(base);
  return parsed ? "" : parsed.error().message;
}

ModelConfig published(const std::string& name) {
  const auto path = testing::source_dir() / "tests/checkpoint/data" / name;
  const auto parsed = parse_config(testing::read_file(path), "", name);
  EXPECT_TRUE(parsed.has_value()) << parsed.error().message;
  return parsed ? *parsed : ModelConfig{};
}

TEST(Config, ReadsEveryFieldOfDeepseekV3) {
  const ModelConfig c = published("deepseek-v3.json");
  EXPECT_EQ(c.architecture, Architecture::deepseek_v3);
  EXPECT_EQ(c.hidden_size, 7168u);
  EXPECT_EQ(c.num_layers, 61u);
  EXPECT_EQ(c.mtp_layers, 1u);
  EXPECT_EQ(c.num_cache_layers(), 62u);
  EXPECT_EQ(c.vocab_size, 129280u);
  EXPECT_EQ(c.max_position_embeddings, 163840u);
  EXPECT_EQ(c.num_heads, 128u);
  EXPECT_EQ(c.q_lora_rank, 1536u);
  EXPECT_EQ(c.kv_entry_width(), 576u);
  EXPECT_EQ(c.qk_head_dim(), 192u);
  EXPECT_EQ(c.v_head_dim, 128u);
  EXPECT_EQ(c.intermediate_size, 18432u);
  EXPECT_EQ(c.shared_intermediate_size(), 2048u);
  EXPECT_EQ(c.num_routed_experts, 256u);
  EXPECT_EQ(c.experts_per_token, 8u);
  EXPECT_EQ(c.num_groups, 8u);
  EXPECT_EQ(c.topk_groups, 4u);
  EXPECT_EQ(c.scoring, Scoring::sigmoid);
  EXPECT_EQ(c.topk_method, TopkMethod::noaux_tc);
  EXPECT_TRUE(c.norm_topk_prob);
  EXPECT_EQ(c.routed_scaling_factor, 2.5);
  EXPECT_FALSE(c.is_moe_layer(2));
  EXPECT_TRUE(c.is_moe_layer(3));
  EXPECT_TRUE(c.is_moe_layer(61)) << "the MTP layer";
  EXPECT_TRUE(c.fp8_blocks);
  EXPECT_EQ(c.yarn, (Yarn{40, 4096, 32, 1, 1, 1}));
  EXPECT_EQ(c.bos_token_id, 0u);
  EXPECT_EQ(c.eos_token_ids, std::vector<uint32_t>{1});
}

TEST(Config, TheArchitectureIsDecidedByArchitecturesNotByModelType) {
  EXPECT_EQ(published("kimi-k2.json").architecture, Architecture::deepseek_v3);
  EXPECT_EQ(published("moonlight-16b-a3b.json").architecture, Architecture::deepseek_v3);
  EXPECT_EQ(published("deepseek-v2.json").architecture, Architecture::deepseek_v2);
  auto odd = tiny_v3_config();
  odd["model_type"] = "llama";
  EXPECT_TRUE(parse(odd).has_value());
}

TEST(Config, RefusesOtherArchitecturesInOneSentence) {
  for (const Json& names :
       {Json::array({"LlamaForCausalLM"}), Json::array({"DeepseekV32ForCausalLM"}), Json::array(),
        Json("DeepseekV3ForCausalLM"), Json(nullptr),
        Json::array({"DeepseekV3ForCausalLM", "DeepseekV2ForCausalLM"}), Json::array({3})}) {
    const auto parsed = parse(Json{{"architectures", names}});
    ASSERT_FALSE(parsed.has_value());
    EXPECT_EQ(parsed.error().code, ErrorCode::unsupported);
    EXPECT_THAT(parsed.error().message,
                AllOf(HasSubstr("DIR/config.json"), HasSubstr("\"architectures\"")));
  }
}

TEST(Config, V2HasItsOwnDefaults) {
  auto json = tiny_v2_config();
  for (const char* field : {"scoring_func", "topk_method", "norm_topk_prob", "n_group"}) {
    json.erase(field);
  }
  const auto c = parse(json);
  ASSERT_TRUE(c.has_value()) << c.error().message;
  EXPECT_EQ(c->scoring, Scoring::softmax);
  EXPECT_EQ(c->topk_method, TopkMethod::greedy);
  EXPECT_FALSE(c->norm_topk_prob);
  EXPECT_FALSE(c->q_lora_rank.has_value());
  EXPECT_EQ(c->mtp_layers, 0u);
  json["topk_method"] = "group_limited_greedy";
  json["n_group"] = nullptr;
  json["topk_group"] = nullptr;
  EXPECT_EQ(parse(json)->num_groups, 1u);
}

TEST(Config, EveryRequiredFieldIsMissedByName) {
  const Json whole = tiny_v3_config();
  for (const auto& [field, value] : whole.items()) {
    auto json = tiny_v3_config();
    json.erase(field);
    const auto parsed = parse(json);
    const std::set<std::string> optional = {
        "model_type",   "attention_bias",      "bos_token_id",
        "eos_token_id", "hidden_act",          "moe_layer_freq",
        "rope_theta",   "norm_topk_prob",      "num_nextn_predict_layers",
        "rms_norm_eps", "rope_scaling",        "scoring_func",
        "topk_method",  "tie_word_embeddings", "n_shared_experts"};
    EXPECT_EQ(parsed.has_value(), optional.contains(field)) << field;
    if (!parsed) {
      EXPECT_THAT(parsed.error().message, HasSubstr("\"" + field + "\""));
    }
  }
}

TEST(Config, EveryNumberIsCheckedForTypeSignAndSize) {
  const Json whole = tiny_v3_config();
  for (const auto& [field, value] : whole.items()) {
    if (!value.is_number() || field.ends_with("token_id")) continue;
    for (const Json& bad : {Json(-1), Json("8"), Json(true), Json::array({8}), Json(1e300),
                            Json(uint64_t{1} << 63), Json::object()}) {
      const std::string sentence = refusal(tiny_v3_config(), field, bad);
      EXPECT_THAT(sentence, AllOf(HasSubstr("DIR/config.json"), HasSubstr("\"" + field + "\"")))
          << bad;
    }
    if (value.is_number_integer() && field != "rope_theta") {
      EXPECT_NE(refusal(tiny_v3_config(), field, 2.5), "") << field;
    }
  }
}

TEST(Config, AnyScoresGoWithAnyMethod) {
  for (const char* method : {"noaux_tc", "greedy", "group_limited_greedy"}) {
    auto json = tiny_v3_config();
    json["topk_method"] = method;
    for (const auto scoring : {Scoring::sigmoid, Scoring::softmax}) {
      json["scoring_func"] = to_string(scoring);
      const auto c = parse(json);
      ASSERT_TRUE(c.has_value()) << c.error().message;
      EXPECT_EQ(c->scoring, scoring);
    }
  }
}

TEST(Config, RefusesWhatCantBeComputed) {
  const std::vector<std::pair<std::string, Json>> cases = {
      {"attention_bias", true},
      {"mlp_bias", true},
      {"hidden_act", "gelu"},
      {"num_nextn_predict_layers", 2},
      {"num_key_value_heads", 2},
      {"qk_rope_head_dim", 7},
      {"rope_interleave", false},
      {"topk_method", "noaux_td"},
      {"scoring_func", "tanh"},
      {"n_group", 3},
      {"n_group", 8},
      {"n_group", 16},
      {"topk_group", 5},
      {"num_experts_per_tok", 5},
      {"num_experts_per_tok", 9},
      {"first_k_dense_replace", 4},
      {"vocab_size", 0},
      {"rope_scaling", "yarn"},
      {"rope_scaling", {{"type", "linear"}, {"factor", 2}}},
      {"rope_scaling", {{"factor", 2}}},
      {"rope_scaling", {{"type", "yarn"}, {"factor", 2}}},
      {"rope_scaling",
       {{"type", "yarn"}, {"factor", 0.5}, {"original_max_position_embeddings", 64}}},
      {"quantization_config", "fp8"},
      {"quantization_config", {{"quant_method", "gptq"}}},
      {"quantization_config", {{"quant_method", "fp8"}}},
      {"quantization_config", {{"quant_method", "fp8"}, {"weight_block_size", {64, 128}}}},
      {"quantization_config",
       {{"quant_method", "fp8"}, {"fmt", "e5m2"}, {"weight_block_size", {128, 128}}}},
      {"bos_token_id", 96},
      {"bos_token_id", -1},
      {"eos_token_id", Json::array({1, 96})},
      {"eos_token_id", "1"},
  };
  for (const auto& [field, value] : cases) {
    EXPECT_THAT(refusal(tiny_v3_config(), field, value), HasSubstr("\"" + field + "\""))
        << field << " " << value;
  }
}

TEST(Config, NumKeyValueHeadsMustBeAllHeadsButMayBeAbsent) {
  EXPECT_EQ(refusal(tiny_v3_config(), "num_key_value_heads", 4), "");
  EXPECT_EQ(refusal(tiny_v3_config(), "num_key_value_heads", nullptr), "");
}

TEST(Config, NewerFilesKeepRopeInOneObject) {
  auto json = tiny_v3_config();
  json.erase("rope_scaling");
  json.erase("rope_theta");
  json["rope_parameters"] = {{"rope_type", "yarn"},
                             {"rope_theta", 50000.0},
                             {"factor", 4},
                             {"original_max_position_embeddings", 128}};
  const auto c = parse(json);
  ASSERT_TRUE(c.has_value()) << c.error().message;
  EXPECT_EQ(c->rope_theta, 50000);
  EXPECT_EQ(c->yarn, (Yarn{4, 128, 32, 1, 1, 0}));
  json["rope_parameters"] = {{"rope_type", "default"}, {"rope_theta", 10000}};
  EXPECT_FALSE(parse(json)->yarn.has_value());
}

TEST(Config, SoftmaxScaleFollowsYarn) {
  auto json = tiny_v2_config();
  const double plain = 1 / std::sqrt(14.0);
  const double m = 0.1 * 0.707 * std::log(40.0) + 1;
  EXPECT_NEAR(parse(json)->softmax_scale(), plain * m * m, 1e-15);
  json["rope_scaling"].erase("mscale_all_dim");
  EXPECT_EQ(parse(json)->softmax_scale(), plain);
  json["rope_scaling"] = nullptr;
  EXPECT_EQ(parse(json)->softmax_scale(), plain);
}

TEST(Config, YarnMscaleIsTheLogarithmToTheLastBits) {
  EXPECT_EQ(yarn_mscale(1, 1), 1);
  EXPECT_EQ(yarn_mscale(0.5, 1), 1);
  EXPECT_EQ(yarn_mscale(40, 0), 1);
  for (double factor = 1.001; factor < 1e6; factor *= 1.37) {
    const double expected = 0.1 * 0.7 * std::log(factor) + 1;
    EXPECT_NEAR(yarn_mscale(factor, 0.7), expected, 4e-16 * expected) << factor;
  }
}

TEST(Config, GenerationConfigAddsEndTokensAndSamplingDefaults) {
  const auto c = parse(tiny_v3_config(),
                       R"({"eos_token_id":[1,7],"do_sample":true,"temperature":0.6,"top_p":0.95,
                           "top_k":20,"repetition_penalty":1.1,"transformers_version":"4"})");
  ASSERT_TRUE(c.has_value()) << c.error().message;
  EXPECT_EQ(c->eos_token_ids, (std::vector<uint32_t>{1, 7}));
  EXPECT_EQ(c->sampling, (SamplingDefaults{true, 0.6, 0.95, 20, 1.1}));
  EXPECT_EQ(parse(tiny_v3_config())->sampling, SamplingDefaults{});
  EXPECT_THAT(parse(tiny_v3_config(), R"({"temperature":-1})").error().message,
              AllOf(HasSubstr("DIR/generation_config.json"), HasSubstr("\"temperature\"")));
  EXPECT_THAT(parse(tiny_v3_config(), R"([])").error().message,
              HasSubstr("generation_config.json is not a JSON object"));
  EXPECT_FALSE(parse(tiny_v3_config(), R"({"eos_token_id":1000})").has_value());
}

TEST(Config, ReadsAFolder) {
  TemporaryFolder folder;
  EXPECT_EQ(read_config(folder / "none").error().code, ErrorCode::not_found);
  EXPECT_THAT(read_config(folder.path()).error().message,
              AllOf(HasSubstr("config.json"), HasSubstr("does not exist")));
  testing::write_file(folder / "config.json", "{\"architectures\":");
  EXPECT_THAT(read_config(folder.path()).error().message,
              AllOf(HasSubstr("config.json"), HasSubstr("is not valid JSON")));
  testing::write_file(folder / "config.json", tiny_v3_config().dump());
  testing::write_file(folder / "generation_config.json", R"({"top_p":0.5})");
  EXPECT_EQ(read_config(folder.path())->sampling.top_p, 0.5);
}

TEST(Config, ReadsTheReferenceCheckpoints) {
  BATON_NEED_SHARED(golden, "golden");
  const auto v3 = read_config(golden / "v3-nano-fp8");
  ASSERT_TRUE(v3.has_value()) << v3.error().message;
  EXPECT_TRUE(v3->fp8_blocks);
  EXPECT_EQ(v3->mtp_layers, 1u);
  const auto v2 = read_config(golden / "v2-lite-nano");
  ASSERT_TRUE(v2.has_value()) << v2.error().message;
  EXPECT_EQ(v2->yarn, (Yarn{40, 64, 32, 1, 0.707, 0.707}));
  EXPECT_EQ(v2->sampling.temperature, 0.6);
}

}  // namespace
}  // namespace baton::checkpoint
