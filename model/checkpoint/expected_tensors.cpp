#include "model/checkpoint/expected_tensors.h"

namespace baton::checkpoint {
namespace {

using Visit = std::function<bool(const ExpectedTensor&)>;

// Emits the tensors of one prefix; after the visitor said stop, nothing more.
class Emitter {
 public:
  Emitter(const ModelConfig& config, const Visit& visit) : config_(config), visit_(visit) {}

  bool stopped() const { return stopped_; }

  void at_layer(size_t layer) {
    prefix_ = layer_prefix(layer);
    layer_ = layer;
    mtp_ = layer >= config_.num_layers;
  }

  void emit(std::string name, Shape shape, TensorKind kind, TensorSplit split = TensorSplit::whole,
            bool fp8 = false, bool optional = false) {
    if (stopped_) return;
    stopped_ = !visit_(
        {prefix_ + std::move(name), std::move(shape), kind, split, layer_, mtp_, fp8, optional});
  }

  void projection(std::string name, size_t out, size_t in, TensorKind kind, TensorSplit split) {
    emit(std::move(name) + ".weight", {out, in}, kind, split, true);
  }

  void norm(std::string name, size_t width) {
    emit(std::move(name) + ".weight", {width}, TensorKind::norm);
  }

  void attention() {
    const auto& c = config_;
    const size_t q_rows = c.num_heads * c.qk_head_dim();
    if (c.q_lora_rank) {
      projection("self_attn.q_a_proj", *c.q_lora_rank, c.hidden_size, TensorKind::attention,
                 TensorSplit::whole);
      norm("self_attn.q_a_layernorm", *c.q_lora_rank);
      projection("self_attn.q_b_proj", q_rows, *c.q_lora_rank, TensorKind::attention,
                 TensorSplit::rows);
    } else {
      projection("self_attn.q_proj", q_rows, c.hidden_size, TensorKind::attention,
                 TensorSplit::rows);
    }
    projection("self_attn.kv_a_proj_with_mqa", c.kv_entry_width(), c.hidden_size,
               TensorKind::attention, TensorSplit::whole);
    norm("self_attn.kv_a_layernorm", c.kv_lora_rank);
    projection("self_attn.kv_b_proj", c.num_heads * (c.qk_nope_head_dim + c.v_head_dim),
               c.kv_lora_rank, TensorKind::attention, TensorSplit::rows);
    projection("self_attn.o_proj", c.hidden_size, c.num_heads * c.v_head_dim, TensorKind::attention,
               TensorSplit::columns);
  }

  void mlp(const std::string& name, size_t width, TensorKind kind, TensorSplit split) {
    projection(name + ".gate_proj", width, config_.hidden_size, kind, split);
    projection(name + ".up_proj", width, config_.hidden_size, kind, split);
    projection(name + ".down_proj", config_.hidden_size, width, kind, split);
  }

  void experts() {
    const auto& c = config_;
    emit("mlp.gate.weight", {c.num_routed_experts, c.hidden_size}, TensorKind::router);
    if (c.topk_method == TopkMethod::noaux_tc) {
      emit("mlp.gate.e_score_correction_bias", {c.num_routed_experts}, TensorKind::router);
    }
    for (size_t expert = 0; expert < c.num_routed_experts && !stopped_; ++expert) {
      mlp(fmt::format("mlp.experts.{}", expert), c.moe_intermediate_size, TensorKind::routed_expert,
          TensorSplit::expert);
    }
    if (c.num_shared_experts > 0) {
      mlp("mlp.shared_experts", c.shared_intermediate_size(), TensorKind::shared_expert,
          TensorSplit::whole);
    }
  }

  void layer(size_t index) {
    at_layer(index);
    norm("input_layernorm", config_.hidden_size);
    attention();
    norm("post_attention_layernorm", config_.hidden_size);
    if (config_.is_moe_layer(index)) {
      experts();
    } else {
      mlp("mlp", config_.intermediate_size, TensorKind::dense_mlp, TensorSplit::whole);
    }
  }

  void mtp_extras() {
    const auto& c = config_;
    norm("enorm", c.hidden_size);
    norm("hnorm", c.hidden_size);
    emit("eh_proj.weight", {c.hidden_size, 2 * c.hidden_size}, TensorKind::mtp_projection,
         TensorSplit::whole, true);
    norm("shared_head.norm", c.hidden_size);
    emit("embed_tokens.weight", {c.vocab_size, c.hidden_size}, TensorKind::embedding,
         TensorSplit::whole, false, true);
    emit("shared_head.head.weight", {c.vocab_size, c.hidden_size}, TensorKind::head,
         TensorSplit::rows, false, true);
  }

  void outside_layers() {
    const auto& c = config_;
    prefix_.clear();
    layer_.reset();
    mtp_ = false;
    emit("model.embed_tokens.weight", {c.vocab_size, c.hidden_size}, TensorKind::embedding);
    norm("model.norm", c.hidden_size);
    if (!c.tie_word_embeddings) {
      emit("lm_head.weight", {c.vocab_size, c.hidden_size}, TensorKind::head, TensorSplit::rows);
    }
  }

 private:
  const ModelConfig& config_;
  const Visit& visit_;
  std::string prefix_;
  std::optional<size_t> layer_;
  bool mtp_ = false;
  bool stopped_ = false;
};

}  // namespace

std::string_view to_string(TensorKind kind) {
  switch (kind) {
    case TensorKind::embedding:
      return "embedding";
    case TensorKind::head:
      return "head";
    case TensorKind::norm:
      return "norms";
    case TensorKind::attention:
      return "attention";
    case TensorKind::dense_mlp:
      return "dense MLP";
    case TensorKind::router:
      return "router";
    case TensorKind::routed_expert:
      return "routed experts";
    case TensorKind::shared_expert:
      return "shared experts";
    case TensorKind::mtp_projection:
      return "MTP projection";
  }
  return "";
}

size_t ExpectedTensor::elements() const {
  size_t product = 1;
  for (const size_t dim : shape) product *= dim;
  return product;
}

void visit_expected_tensors(const ModelConfig& config, const Visit& visit) {
  Emitter emitter(config, visit);
  emitter.outside_layers();
  for (size_t layer = 0; layer < config.num_cache_layers() && !emitter.stopped(); ++layer) {
    emitter.layer(layer);
    if (layer >= config.num_layers) emitter.mtp_extras();
  }
}

std::vector<ExpectedTensor> expected_tensors(const ModelConfig& config) {
  std::vector<ExpectedTensor> all;
  visit_expected_tensors(config, [&](const ExpectedTensor& tensor) {
    all.push_back(tensor);
    return true;
  });
  return all;
}

std::string scale_name(std::string_view weight_name) {
  return fmt::format("{}_scale_inv", weight_name);
}

Shape scale_shape(const Shape& weight_shape) {
  Shape blocks;
  for (const size_t dim : weight_shape) blocks.push_back((dim + kFp8Block - 1) / kFp8Block);
  return blocks;
}

std::string layer_prefix(size_t layer) { return fmt::format("model.layers.{}.", layer); }

}  // namespace baton::checkpoint
