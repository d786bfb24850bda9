#include "model/checkpoint/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/checkpoint_writer.h"
#include "tests/support/shared_data.h"
#include "tests/support/temporary_folder.h"

namespace baton::checkpoint {
namespace {

using ::testing::AllOf;
using testing::CheckpointSpec;
using ::testing::HasSubstr;
using testing::RawTensor;
using testing::TemporaryFolder;

// Opens a checkpoint of these tensors, written to a folder that is gone afterwards.
Result<Checkpoint> open_written(const CheckpointSpec& spec, const std::vector<RawTensor>& tensors) {
  TemporaryFolder folder;
  testing::write_config(spec, folder.path());
  testing::write_tensors(tensors, spec.shards, folder.path());
  return Checkpoint::open(folder.path());
}

Result<Checkpoint> open_written(const CheckpointSpec& spec) {
  return open_written(spec, testing::make_tensors(spec));
}

RawTensor& find(std::vector<RawTensor>& tensors, std::string_view name) {
  const auto at = std::find_if(tensors.begin(), tensors.end(),
                               [&](const RawTensor& tensor) { return tensor.name == name; });
  if (at == tensors.end()) throw std::runtime_error("no such tensor");
  return *at;
}

CheckpointSpec fp8_spec() {
  CheckpointSpec spec;
  spec.fp8 = true;
  spec.config["hidden_size"] = 136;  // a partial block in each direction
  spec.config["intermediate_size"] = 130;
  return spec;
}

TEST(Checkpoint, OpensEveryKindThatCanBeWritten) {
  std::vector<CheckpointSpec> specs(7);
  specs[1].config = testing::tiny_v2_config();
  specs[2] = fp8_spec();
  specs[3].shards = 0;
  specs[4].mtp_copies = false;
  specs[5].config["tie_word_embeddings"] = true;
  specs[6].dtype = Dtype::f16;
  specs[6].config["num_nextn_predict_layers"] = 0;
  for (const auto& spec : specs) {
    const auto checkpoint = open_written(spec);
    ASSERT_TRUE(checkpoint.has_value()) << checkpoint.error().message;
    EXPECT_TRUE(checkpoint->notes().empty());
    EXPECT_TRUE(checkpoint->check_scales().has_value());
    EXPECT_FALSE(checkpoint->check_unchanged().has_value()) << "the folder is gone";
    for (const auto& tensor : expected_tensors(checkpoint->config())) {
      if (tensor.optional && !spec.mtp_copies) continue;
      const auto weight = checkpoint->weight(tensor.name);
      ASSERT_TRUE(weight.has_value()) << weight.error().message;
      EXPECT_EQ(weight->rows * weight->cols, tensor.elements());
      EXPECT_EQ(weight->scale_inv.has_value(), weight->data.dtype == Dtype::f8_e4m3);
    }
  }
}

TEST(Checkpoint, OpensTheReferenceCheckpoints) {
  BATON_NEED_SHARED(golden, "golden");
  for (const char* name : {"v3-nano", "v3-nano-fp8", "v2-lite-nano"}) {
    const auto checkpoint = Checkpoint::open(golden / name);
    ASSERT_TRUE(checkpoint.has_value()) << checkpoint.error().message;
    EXPECT_TRUE(checkpoint->notes().empty());
    EXPECT_TRUE(checkpoint->check_scales().has_value());
  }
}

TEST(Checkpoint, AVectorIsOneRow) {
  const auto checkpoint = open_written(CheckpointSpec{});
  const auto norm = checkpoint->weight("model.norm.weight");
  EXPECT_EQ(norm->rows, 1u);
  EXPECT_EQ(norm->cols, 40u);
  EXPECT_THAT(checkpoint->weight("none").error().message, HasSubstr("no tensor none"));
}

TEST(Checkpoint, HeadsAndEmbeddingsFallBackToTheMainOnes) {
  CheckpointSpec spec;
  const auto full = open_written(spec);
  EXPECT_EQ(full->head()->name, "lm_head.weight");
  EXPECT_EQ(full->mtp_embedding()->name, "model.layers.3.embed_tokens.weight");
  EXPECT_EQ(full->mtp_head()->name, "model.layers.3.shared_head.head.weight");
  spec.mtp_copies = false;
  spec.config["tie_word_embeddings"] = true;
  const auto tied = open_written(spec);
  EXPECT_EQ(tied->head()->name, "model.embed_tokens.weight");
  EXPECT_EQ(tied->mtp_embedding()->name, "model.embed_tokens.weight");
  EXPECT_EQ(tied->mtp_head()->name, "model.embed_tokens.weight");
}

TEST(Checkpoint, EveryMissingTensorIsNamed) {
  const CheckpointSpec spec;
  const auto tensors = testing::make_tensors(spec);
  for (size_t i = 0; i < tensors.size(); ++i) {
    auto fewer = tensors;
    fewer.erase(fewer.begin() + static_cast<ptrdiff_t>(i));
    const auto opened = open_written(spec, fewer);
    const std::string& name = tensors[i].name;
    const bool copy = name == "model.layers.3.embed_tokens.weight" ||
                      name == "model.layers.3.shared_head.head.weight";
    EXPECT_EQ(opened.has_value(), copy) << name;
    if (!opened) {
      EXPECT_THAT(opened.error().message,
                  AllOf(HasSubstr("tensor " + name + " "), HasSubstr("is missing")));
    }
  }
}

TEST(Checkpoint, EveryWrongShapeIsNamed) {
  const CheckpointSpec spec;
  const auto tensors = testing::make_tensors(spec);
  for (size_t i = 0; i < tensors.size(); ++i) {
    auto changed = tensors;
    changed[i].shape.back() += 1;
    const size_t elements = changed[i].shape.size() == 2 ? changed[i].shape[0] * changed[i].shape[1]
                                                         : changed[i].shape[0];
    changed[i].bytes.resize(elements * dtype_bytes(changed[i].dtype));
    const auto opened = open_written(spec, changed);
    ASSERT_FALSE(opened.has_value()) << tensors[i].name;
    EXPECT_THAT(opened.error().message, AllOf(HasSubstr(".safetensors: tensor " + tensors[i].name),
                                              HasSubstr("has shape")));
  }
}

TEST(Checkpoint, ATransposedMatrixIsRefused) {
  const CheckpointSpec spec;
  auto tensors = testing::make_tensors(spec);
  auto& weight = find(tensors, "model.layers.0.self_attn.o_proj.weight");
  std::swap(weight.shape[0], weight.shape[1]);
  EXPECT_FALSE(open_written(spec, tensors).has_value());
}

TEST(Checkpoint, WeightsMustBeFloats) {
  const CheckpointSpec spec;
  auto tensors = testing::make_tensors(spec);
  find(tensors, "lm_head.weight").dtype = Dtype::i16;
  EXPECT_THAT(open_written(spec, tensors).error().message,
              AllOf(HasSubstr("tensor lm_head.weight"), HasSubstr("I16")));
}

TEST(Checkpoint, Fp8NeedsAConfigurationThatSaysSo) {
  CheckpointSpec spec = fp8_spec();
  const auto tensors = testing::make_tensors(spec);
  spec.fp8 = false;
  EXPECT_THAT(open_written(spec, tensors).error().message,
              AllOf(HasSubstr("F8_E4M3"), HasSubstr("quantization_config")));
}

TEST(Checkpoint, NormsAndEmbeddingAreNeverFp8) {
  const CheckpointSpec spec = fp8_spec();
  auto tensors = testing::make_tensors(spec);
  auto& norm = find(tensors, "model.norm.weight");
  norm.dtype = Dtype::f8_e4m3;
  norm.bytes.resize(norm.bytes.size() / 2);
  EXPECT_THAT(open_written(spec, tensors).error().message, HasSubstr("tensor model.norm.weight"));
}

TEST(Checkpoint, Fp8ScalesAreCheckedBeforeUse) {
  const CheckpointSpec spec = fp8_spec();
  const std::string name = "model.layers.0.self_attn.o_proj.weight";
  const std::string scales = scale_name(name);
  const auto tensors = testing::make_tensors(spec);
  ASSERT_TRUE(open_written(spec, tensors).has_value());

  auto missing = tensors;
  find(missing, scales).name = "elsewhere";
  EXPECT_THAT(open_written(spec, missing).error().message,
              AllOf(HasSubstr(".safetensors: tensor " + name), HasSubstr(scales)));

  auto floats = tensors;
  find(floats, scales).dtype = Dtype::i32;
  EXPECT_THAT(open_written(spec, floats).error().message, HasSubstr("tensor " + scales));

  auto shape = tensors;
  auto& changed = find(shape, scales);
  ASSERT_EQ(changed.shape, (Shape{2, 1}));
  changed.shape = {1, 2};
  EXPECT_THAT(open_written(spec, shape).error().message, HasSubstr("tensor " + scales));
}

TEST(Checkpoint, AScaleThatIsNotFiniteIsRefused) {
  const CheckpointSpec spec = fp8_spec();
  const std::string name = "model.layers.1.mlp.experts.2.up_proj.weight";
  for (const uint32_t bits : {0x7f800000u, 0xff800000u, 0x7fc00000u}) {
    auto tensors = testing::make_tensors(spec);
    auto& scales = find(tensors, scale_name(name));
    std::memcpy(scales.bytes.data() + 4, &bits, 4);
    const auto checkpoint = open_written(spec, tensors);
    ASSERT_TRUE(checkpoint.has_value()) << "opening reads headers only";
    for (const auto& sentence :
         {checkpoint->weight(name).error().message, checkpoint->check_scales().error().message}) {
      EXPECT_THAT(sentence, AllOf(HasSubstr(".safetensors: tensor " + scale_name(name)),
                                  HasSubstr("not finite, at 1")));
    }
    EXPECT_TRUE(checkpoint->weight("lm_head.weight").has_value()) << "others are untouched";
  }
}

TEST(Checkpoint, AnFp8FileMayHoldSomeWeightsInBf16) {
  const CheckpointSpec spec = fp8_spec();
  auto tensors = testing::make_tensors(spec);
  auto& weight = find(tensors, "model.layers.0.self_attn.o_proj.weight");
  weight.dtype = Dtype::bf16;
  weight.bytes.assign(weight.bytes.size() * 2, '\0');
  const auto checkpoint = open_written(spec, tensors);
  ASSERT_TRUE(checkpoint.has_value()) << checkpoint.error().message;
  EXPECT_FALSE(checkpoint->weight(weight.name)->scale_inv.has_value());
}

TEST(Checkpoint, WhatIsNotUsedIsNotedAndRotaryTablesAreNot) {
  const CheckpointSpec spec;
  auto tensors = testing::make_tensors(spec);
  tensors.push_back({"model.layers.0.self_attn.rotary_emb.inv_freq", Dtype::f32, {1}, "0000"});
  EXPECT_TRUE(open_written(spec, tensors)->notes().empty());
  tensors.push_back({"extra.weight", Dtype::i64, {1}, "00000000"});
  const auto checkpoint = open_written(spec, tensors);
  ASSERT_TRUE(checkpoint.has_value()) << checkpoint.error().message;
  ASSERT_EQ(checkpoint->notes().size(), 1u);
  EXPECT_THAT(checkpoint->notes()[0], AllOf(HasSubstr("1 tensors"), HasSubstr("extra.weight")));
}

TEST(Checkpoint, AnMtpLayerThatIsAltogetherAbsentIsLeftOut) {
  const CheckpointSpec spec;
  auto tensors = testing::make_tensors(spec);
  std::erase_if(tensors,
                [](const RawTensor& tensor) { return tensor.name.starts_with("model.layers.3."); });
  const auto checkpoint = open_written(spec, tensors);
  ASSERT_TRUE(checkpoint.has_value()) << checkpoint.error().message;
  EXPECT_EQ(checkpoint->config().mtp_layers, 0u);
  EXPECT_EQ(checkpoint->notes().size(), 1u);
}

TEST(Checkpoint, AnMtpLayerThatTheConfigurationLeavesOutIsNoted) {
  CheckpointSpec spec;
  const auto tensors = testing::make_tensors(spec);
  spec.config["num_nextn_predict_layers"] = 0;
  const auto checkpoint = open_written(spec, tensors);
  ASSERT_TRUE(checkpoint.has_value()) << checkpoint.error().message;
  EXPECT_THAT(checkpoint->notes().at(0), HasSubstr("model.layers.3."));
}

TEST(Checkpoint, FingerprintNamesTheModelNotItsFiles) {
  CheckpointSpec spec;
  const auto fingerprint = open_written(spec)->fingerprint();
  spec.shards = 3;
  EXPECT_EQ(open_written(spec)->fingerprint(), fingerprint);
  spec.config["eos_token_id"] = 2;
  EXPECT_EQ(open_written(spec)->fingerprint(), fingerprint) << "decides no logit";

  auto tensors = testing::make_tensors(spec);
  find(tensors, "model.layers.2.mlp.experts.1.down_proj.weight").bytes[100] ^= 1;
  EXPECT_NE(open_written(spec, tensors)->fingerprint(), fingerprint);
  for (const auto& [field, value] : std::map<std::string, nlohmann::json>{
           {"rope_theta", 10001},
           {"routed_scaling_factor", 2.25},
           {"rms_norm_eps", 1e-5},
           {"num_experts_per_tok", 2},
           {"norm_topk_prob", false},
           {"rope_scaling",
            {{"type", "yarn"}, {"factor", 2}, {"original_max_position_embeddings", 64}}}}) {
    CheckpointSpec other = spec;
    other.config[field] = value;
    EXPECT_NE(open_written(other)->fingerprint(), fingerprint) << field;
  }
}

}  // namespace
}  // namespace baton::checkpoint
