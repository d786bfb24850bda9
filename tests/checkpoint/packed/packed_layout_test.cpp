#include "model/checkpoint/packed/packed_layout.h"

#include <gtest/gtest.h>

#include "tests/support/checkpoint_writer.h"
#include "tests/support/temporary_folder.h"

namespace baton::checkpoint {
namespace {

using testing::CheckpointSpec;
using testing::TemporaryFolder;

PackedLayout layout_of(const CheckpointSpec& spec, std::string_view mode = "fast") {
  const TemporaryFolder folder;
  testing::write_checkpoint(spec, folder.path());
  return PackedLayout(Checkpoint::open(folder.path()).value(), find_numeric_mode(mode).value());
}

TEST(PackedLayout, TensorsFollowOneAnotherWithoutOverlap) {
  const PackedLayout layout = layout_of({});
  size_t end = layout.header_bytes();
  EXPECT_EQ(end % 4096, 0u);
  for (const PackedTensor& tensor : layout.tensors()) {
    EXPECT_EQ(tensor.offset % 64, 0u);
    EXPECT_GE(tensor.offset, end);
    EXPECT_LT(tensor.offset - end, 64u);
    EXPECT_EQ(tensor.bytes, tensor.shape.bytes());
    EXPECT_EQ(layout.find(tensor.name), &tensor);
    EXPECT_EQ(&layout.tensors()[layout.index_of(tensor)], &tensor);
    end = tensor.offset + tensor.bytes;
  }
  EXPECT_LT(layout.file_bytes() - end, 64u);
}

TEST(PackedLayout, HoldsProjectionsExpertsAndHeadsAndNothingElse) {
  const PackedLayout layout = layout_of({});
  for (const char* name :
       {"lm_head.weight", "model.layers.0.self_attn.q_a_proj.weight",
        "model.layers.0.mlp.gate_proj.weight", "model.layers.1.mlp.experts.7.down_proj.weight",
        "model.layers.2.mlp.shared_experts.up_proj.weight", "model.layers.3.eh_proj.weight",
        "model.layers.3.shared_head.head.weight", "model.layers.3.mlp.experts.0.up_proj.weight"}) {
    EXPECT_NE(layout.find(name), nullptr) << name;
  }
  for (const char* name :
       {"model.embed_tokens.weight", "model.layers.1.mlp.gate.weight", "model.norm.weight",
        "model.layers.1.mlp.gate.e_score_correction_bias", "model.layers.3.embed_tokens.weight",
        "model.layers.0.self_attn.kv_b_proj.weight", "model.layers.0.input_layernorm.weight"}) {
    EXPECT_EQ(layout.find(name), nullptr) << name;
  }
}

TEST(PackedLayout, RanksCutHeadsByUnitsAndTheOutputProjectionBySegments) {
  CheckpointSpec spec;
  spec.config["num_attention_heads"] = 12;
  const PackedLayout layout = layout_of(spec);
  const std::string prefix = "model.layers.1.self_attn.";
  const auto& config = spec.config;
  const size_t nope = config["qk_nope_head_dim"];
  const size_t rope = config["qk_rope_head_dim"];
  const size_t v = config["v_head_dim"];
  const size_t latent = config["kv_lora_rank"];
  EXPECT_EQ(layout.find(prefix + "q_b_proj.weight")->shape.unit(), nope + rope);
  EXPECT_EQ(layout.find(prefix + "o_proj.weight")->shape.segments, 4u);
  const std::string kv_b = prefix + "kv_b_proj.weight";
  EXPECT_EQ(layout.find(kv_b + "#keys")->shape, (kernels::PanelShape{12 * nope, latent, nope}));
  EXPECT_EQ(layout.find(kv_b + "#values")->shape, (kernels::PanelShape{12 * v, latent, v}));
  EXPECT_EQ(layout.find(kv_b + "#absorb")->shape, (kernels::PanelShape{12 * latent, nope, latent}));
  EXPECT_EQ(layout.find(kv_b + "#keys")->source, kv_b);
}

TEST(PackedLayout, OnlyRoutedExpertsHaveFourBits) {
  const PackedLayout bytes = layout_of({});
  const PackedLayout layout = layout_of({}, "fast-e4");
  ASSERT_EQ(layout.tensors().size(), bytes.tensors().size());
  for (const PackedTensor& tensor : layout.tensors()) {
    const bool routed = tensor.name.find(".mlp.experts.") != std::string::npos;
    EXPECT_EQ(tensor.shape.form == kernels::PanelForm::int4, routed) << tensor.name;
  }
  EXPECT_LT(layout.file_bytes(), bytes.file_bytes());
}

TEST(PackedLayout, ATiedHeadIsTheEmbedding) {
  CheckpointSpec spec;
  spec.config["tie_word_embeddings"] = true;
  spec.mtp_copies = false;
  const PackedLayout layout = layout_of(spec);
  EXPECT_NE(layout.find("model.embed_tokens.weight"), nullptr);
  EXPECT_EQ(layout.find("lm_head.weight"), nullptr);
  EXPECT_EQ(layout.find("model.layers.3.shared_head.head.weight"), nullptr);
}

TEST(PackedLayout, QueriesWithoutALatentAreCutByHeadsToo) {
  CheckpointSpec spec;
  spec.config = testing::tiny_v2_config();
  const PackedLayout layout = layout_of(spec);
  const auto* q = layout.find("model.layers.0.self_attn.q_proj.weight");
  ASSERT_NE(q, nullptr);
  EXPECT_EQ(q->shape.rows / q->shape.unit(), spec.config["num_attention_heads"].get<size_t>());
}

}  // namespace
}  // namespace baton::checkpoint
