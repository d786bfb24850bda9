#include "model/layers/weights.h"

#include <gtest/gtest.h>

#include "model/checkpoint/packed/packer.h"
#include "tests/layers/fixture.h"

namespace baton::layers {
namespace {

using testing::Model;

TEST(Weights, HaveTheShapesOfTheConfiguration) {
  Model model;
  const auto weights = model.weights();
  ASSERT_EQ(weights.layers.size(), 3u);
  EXPECT_FALSE(weights.layers[0].moe);
  ASSERT_TRUE(weights.layers[1].moe);
  EXPECT_EQ(weights.layers[1].moe->slots.size(), 8u);
  EXPECT_EQ(weights.layers[1].moe->router_bias.size(), 8u);
  EXPECT_EQ(weights.layers[0].attention.q_a.rows(), 24u);
  EXPECT_EQ(weights.layers[0].attention.kv_a.rows(), 38u);
  ASSERT_TRUE(weights.mtp);
  EXPECT_EQ(weights.mtp->projection.cols(), 80u);
  EXPECT_EQ(weights.head.rows(), 96u);
}

TEST(Weights, WithoutAQueryLatentThereIsOneProjection) {
  baton::testing::CheckpointSpec spec;
  spec.config = baton::testing::tiny_v2_config();
  Model model(spec);
  const auto weights = model.weights();
  EXPECT_TRUE(weights.layers[0].attention.q_a.empty());
  EXPECT_EQ(weights.layers[0].attention.q.cols(), 40u);
  EXPECT_FALSE(weights.mtp);
  EXPECT_TRUE(weights.layers[1].moe->router_bias.empty());
}

TEST(Weights, ATiedHeadIsTheEmbeddingAndSoAreTheMtpLayers) {
  baton::testing::CheckpointSpec spec;
  spec.config["tie_word_embeddings"] = true;
  spec.mtp_copies = false;
  Model model(spec);
  const auto weights = model.weights();
  EXPECT_EQ(weights.head.row(3).data, weights.embedding.row(3).data);
  EXPECT_EQ(weights.mtp->head.row(3).data, weights.embedding.row(3).data);
  EXPECT_EQ(weights.mtp->embedding.row(3).data, weights.embedding.row(3).data);
}

TEST(Weights, MatricesConvertAsThePlainReaderDoes) {
  baton::testing::CheckpointSpec spec;
  spec.fp8 = true;
  spec.config["hidden_size"] = 200;
  Model model(spec);
  const auto weights = model.weights();
  const auto& matrix = weights.layers[1].moe->slots[3].down;
  const auto weight =
      model.checkpoint().weight("model.layers.1.mlp.experts.3.down_proj.weight").value();
  const auto expected = checkpoint::read_all(weight).value();
  std::vector<float> row(matrix.cols());
  for (size_t r = 0; r < matrix.rows(); ++r) {
    kernels::best_kernels().unpack(matrix.row(r), row.data());
    EXPECT_TRUE(std::equal(row.begin(), row.end(),
                           expected.begin() + static_cast<ptrdiff_t>(r * matrix.cols())));
  }
}

TEST(Weights, AnFp8CodeThatIsNoNumberIsRefusedByName) {
  baton::testing::CheckpointSpec spec;
  spec.fp8 = true;
  Model model(spec);
  auto tensors = baton::testing::make_tensors(spec);
  for (auto& tensor : tensors) {
    if (tensor.name == "model.layers.2.self_attn.o_proj.weight") tensor.bytes[5] = '\x7f';
  }
  baton::testing::write_tensors(tensors, 2, model.path());
  const auto damaged = checkpoint::Checkpoint::open(model.path()).value();
  const auto refused = load_weights({damaged}, kernels::best_kernels(), model.pool, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::corrupt);
  EXPECT_NE(refused.error().message.find("layers.2.self_attn.o_proj"), std::string::npos);
}

// What the mode packs comes from the packed file, the rest from the checkpoint.
TEST(Weights, OfAModeThatPacksAreMappedAndVerified) {
  Model model;
  const auto mode = checkpoint::find_numeric_mode("fast").value();
  auto file =
      open_packed(model.checkpoint(), {mode, {}}, kernels::best_kernels(), model.pool).value();
  const Share share{.tp = 2, .tp_rank = 1};
  const auto weights =
      load_weights({model.checkpoint(), &file}, kernels::best_kernels(), model.pool, share).value();
  EXPECT_FALSE(weights.embedding.packed());
  EXPECT_TRUE(weights.head.packed());
  const LayerWeights& layer = weights.layers[1];
  const auto& c = model.config();
  EXPECT_FALSE(layer.moe->router.packed());
  EXPECT_TRUE(layer.moe->slots[3].down.packed());
  EXPECT_TRUE(layer.moe->shared->up.packed());
  EXPECT_EQ(layer.attention.q.rows(), c.num_heads / 2 * c.qk_head_dim());
  EXPECT_EQ(layer.attention.o.cols(), c.num_heads / 2 * c.v_head_dim);
  EXPECT_EQ(layer.attention.keys.rows(), c.num_heads / 2 * c.qk_nope_head_dim);
  EXPECT_EQ(layer.attention.values.rows(), c.num_heads / 2 * c.v_head_dim);
  EXPECT_EQ(layer.attention.absorb.rows(), c.num_heads / 2 * c.kv_lora_rank);
  EXPECT_TRUE(layer.attention.kv_b.empty());
  EXPECT_TRUE(
      load_expert({model.checkpoint(), &file}, kernels::best_kernels(), 1, 5)->gate.packed());

  auto bytes = baton::testing::read_file(file.path());
  bytes[file.layout().find("model.layers.1.mlp.experts.5.up_proj.weight")->offset + 70] ^= 1;
  baton::testing::write_file(file.path(), bytes);
  const auto refused =
      load_weights({model.checkpoint(), &file}, kernels::best_kernels(), model.pool, share);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::corrupt);
  EXPECT_NE(refused.error().message.find("experts.5.up_proj"), std::string::npos);
  EXPECT_FALSE(load_expert({model.checkpoint(), &file}, kernels::best_kernels(), 1, 5));
  EXPECT_TRUE(load_expert({model.checkpoint(), &file}, kernels::best_kernels(), 1, 4));
}

}  // namespace
}  // namespace baton::layers
