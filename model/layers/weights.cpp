#include "model/layers/weights.h"

#include <atomic>
#include <numeric>

#include "model/checkpoint/dequantize.h"

namespace baton::layers {
namespace {

using checkpoint::Dtype;

kernels::Format format_of(Dtype dtype) {
  switch (dtype) {
    case Dtype::bf16:
      return kernels::Format::bf16;
    case Dtype::f16:
      return kernels::Format::f16;
    case Dtype::f8_e4m3:
      return kernels::Format::f8_e4m3;
    default:
      check(dtype == Dtype::f32, "an opened checkpoint holds weights of the four float types");
      return kernels::Format::f32;
  }
}

enum class Cut { none, rows, cols };  // which of a matrix' sides tensor parallelism splits

// Finds tensors by name and remembers them, to check their values in the end.
class Loader {
 public:
  Loader(const WeightFiles& files, const Share& share)
      : checkpoint_(files.checkpoint), packed_(files.packed), share_(share) {}

  kernels::Matrix cut(const kernels::Matrix& matrix, Cut how) const {
    if (how == Cut::none) return matrix;
    const size_t size = (how == Cut::rows ? matrix.rows() : matrix.cols()) / share_.tp;
    const size_t begin = share_.tp_rank * size;
    return how == Cut::rows ? matrix.row_range(begin, begin + size)
                            : matrix.col_range(begin, begin + size);
  }

  // As the checkpoint stores it.
  Result<kernels::Matrix> stored(Result<checkpoint::Weight> found, Cut how = Cut::none) {
    BATON_TRY(weight, std::move(found));
    const auto* scales = weight.scale_inv ? weight.scale_inv->data.data() : nullptr;
    const kernels::Matrix matrix(format_of(weight.data.dtype), weight.data.data.data(), weight.rows,
                                 weight.cols, scales);
    matrices_.emplace_back(cut(matrix, how), std::move(weight));
    return matrices_.back().first;
  }

  const checkpoint::PackedTensor* find_packed(const std::string& name) const {
    return packed_ == nullptr ? nullptr : packed_->layout().find(name);
  }
  kernels::Matrix adopt_packed(const checkpoint::PackedTensor& tensor, Cut how) {
    tensors_.push_back(&tensor);
    return cut(kernels::Matrix(packed_->panels(tensor)), how);
  }

  // As the mode has it.
  Result<kernels::Matrix> adopt(Result<checkpoint::Weight> found, Cut how = Cut::none) {
    if (found) {
      if (const auto* tensor = find_packed(found->name)) return adopt_packed(*tensor, how);
    }
    return stored(std::move(found), how);
  }

  Result<void> matrix(kernels::Matrix& to, const std::string& name, Cut how = Cut::none) {
    BATON_TRY(matrix, adopt(checkpoint_.weight(name), how));
    to = matrix;
    return {};
  }

  Result<void> kv_b(AttentionWeights& to, const std::string& name) {
    using checkpoint::PackedPart;
    if (packed_ == nullptr) return matrix(to.kv_b, name, Cut::rows);
    for (const auto& [part, matrix] :
         {std::pair{PackedPart::keys, &to.keys}, std::pair{PackedPart::values, &to.values},
          std::pair{PackedPart::absorb, &to.absorb}}) {
      const auto* tensor = find_packed(checkpoint::packed_name(name, part));
      check(tensor != nullptr, "a packed file has the parts of kv_b");
      *matrix = adopt_packed(*tensor, Cut::rows);
    }
    return {};
  }

  Result<void> vector(std::vector<float>& to, const std::string& name) {
    BATON_TRY(weight, checkpoint_.weight(name));
    BATON_TRY(values, checkpoint::read_all(weight));
    to = std::move(values);
    return {};
  }

  Result<void> mlp(MlpWeights& to, const std::string& prefix) {
    BATON_CHECKED(matrix(to.gate, prefix + "gate_proj.weight"));
    BATON_CHECKED(matrix(to.up, prefix + "up_proj.weight"));
    return matrix(to.down, prefix + "down_proj.weight");
  }

  Result<void> attention(AttentionWeights& to, const std::string& prefix) {
    if (checkpoint_.config().q_lora_rank) {
      BATON_CHECKED(matrix(to.q_a, prefix + "q_a_proj.weight"));
      BATON_CHECKED(vector(to.q_a_norm, prefix + "q_a_layernorm.weight"));
      BATON_CHECKED(matrix(to.q, prefix + "q_b_proj.weight", Cut::rows));
    } else {
      BATON_CHECKED(matrix(to.q, prefix + "q_proj.weight", Cut::rows));
    }
    BATON_CHECKED(matrix(to.kv_a, prefix + "kv_a_proj_with_mqa.weight"));
    BATON_CHECKED(vector(to.kv_a_norm, prefix + "kv_a_layernorm.weight"));
    BATON_CHECKED(kv_b(to, prefix + "kv_b_proj.weight"));
    return matrix(to.o, prefix + "o_proj.weight", Cut::cols);
  }

  Result<MlpWeights> expert(size_t layer, uint32_t id) {
    const std::string prefix = checkpoint::layer_prefix(layer) + "mlp.";
    MlpWeights to;
    BATON_CHECKED(mlp(to, id < checkpoint_.config().num_routed_experts
                              ? fmt::format("{}experts.{}.", prefix, id)
                              : prefix + "shared_experts."));
    return to;
  }

  std::vector<uint32_t> experts_of(size_t layer) const {
    if (!share_.experts.empty()) return share_.experts[layer];
    std::vector<uint32_t> all(checkpoint_.config().num_routed_experts);
    std::iota(all.begin(), all.end(), 0u);
    return all;
  }

  Result<void> moe(MoeWeights& to, size_t layer, const std::string& prefix) {
    const auto& config = checkpoint_.config();
    BATON_CHECKED(matrix(to.router, prefix + "gate.weight"));
    if (config.topk_method == checkpoint::TopkMethod::noaux_tc) {
      BATON_CHECKED(vector(to.router_bias, prefix + "gate.e_score_correction_bias"));
    }
    for (const uint32_t id : experts_of(layer)) {
      BATON_TRY(mlp, expert(layer, id));
      to.slots.push_back(mlp);
    }
    if (config.num_shared_experts == 0 || share_.routed_shared) return {};
    return mlp(to.shared.emplace(), prefix + "shared_experts.");
  }

  Result<void> layer(LayerWeights& to, size_t index) {
    const std::string prefix = checkpoint::layer_prefix(index);
    BATON_CHECKED(vector(to.attention_norm, prefix + "input_layernorm.weight"));
    BATON_CHECKED(attention(to.attention, prefix + "self_attn."));
    BATON_CHECKED(vector(to.mlp_norm, prefix + "post_attention_layernorm.weight"));
    if (!checkpoint_.config().is_moe_layer(index)) return mlp(to.dense, prefix + "mlp.");
    return moe(to.moe.emplace(), index, prefix + "mlp.");
  }

  Result<void> mtp(MtpWeights& to) {
    const size_t index = checkpoint_.config().num_layers;
    const std::string prefix = checkpoint::layer_prefix(index);
    BATON_TRY(embedding, stored(checkpoint_.mtp_embedding()));
    to.embedding = embedding;
    BATON_CHECKED(vector(to.embedding_norm, prefix + "enorm.weight"));
    BATON_CHECKED(vector(to.hidden_norm, prefix + "hnorm.weight"));
    BATON_CHECKED(matrix(to.projection, prefix + "eh_proj.weight"));
    BATON_CHECKED(layer(to.layer, index));
    BATON_CHECKED(vector(to.head_norm, prefix + "shared_head.norm.weight"));
    BATON_TRY(head, adopt(checkpoint_.mtp_head()));
    to.head = head;
    return {};
  }

  Result<void> check_values(const kernels::Kernels& kernels, ThreadPool& pool) const {
    BATON_CHECKED(verify_packed(pool));
    std::vector<std::vector<float>> scratch(pool.size());
    std::atomic<size_t> bad = matrices_.size();
    pool.run(matrices_.size(), [&](size_t i, unsigned thread) {
      const kernels::Matrix& matrix = matrices_[i].first;
      auto& values = scratch[thread];
      values.resize(std::max(values.size(), matrix.cols()));
      for (size_t r = 0; r < matrix.rows(); ++r) {
        if (!is_finite(kernels, matrix.row(r), values)) {
          bad = i;
          return;
        }
      }
    });
    if (bad == matrices_.size()) return {};
    const auto reread = checkpoint::read_all(matrices_[bad].second);
    check(!reread, "a weight that a kernel finds not finite is refused by the reader too");
    return reread.error();
  }

 private:
  Result<void> verify_packed(ThreadPool& pool) const {
    std::atomic<size_t> damaged = tensors_.size();
    pool.run(tensors_.size(), [&](size_t i, unsigned) {
      if (!packed_->verify(*tensors_[i])) damaged = i;
    });
    if (damaged == tensors_.size()) return {};
    return packed_->verify(*tensors_[damaged]);
  }

  const checkpoint::Checkpoint& checkpoint_;
  const checkpoint::PackedFile* packed_;
  const Share& share_;
  std::vector<std::pair<kernels::Matrix, checkpoint::Weight>> matrices_;  // stored
  std::vector<const checkpoint::PackedTensor*> tensors_;                  // packed
};

}  // namespace

Result<Weights> load_weights(const WeightFiles& files, const kernels::Kernels& kernels,
                             ThreadPool& pool, const Share& share) {
  const checkpoint::Checkpoint& checkpoint = files.checkpoint;
  const auto& config = checkpoint.config();
  Loader loader(files, share);
  Weights weights;
  BATON_TRY(embedding, loader.stored(checkpoint.embedding()));
  weights.embedding = embedding;
  weights.layers.resize(config.num_layers);
  for (size_t l = 0; l < config.num_layers; ++l) {
    BATON_CHECKED(loader.layer(weights.layers[l], l));
  }
  BATON_CHECKED(loader.vector(weights.final_norm, "model.norm.weight"));
  BATON_TRY(head, loader.adopt(checkpoint.head()));
  weights.head = head;
  if (config.mtp_layers > 0) BATON_CHECKED(loader.mtp(weights.mtp.emplace()));
  BATON_CHECKED(loader.check_values(kernels, pool));
  return weights;
}

Result<MlpWeights> load_expert(const WeightFiles& files, const kernels::Kernels& kernels,
                               size_t layer, uint32_t expert) {
  const Share share;
  Loader loader(files, share);
  BATON_TRY(weights, loader.expert(layer, expert));
  ThreadPool alone(1);
  BATON_CHECKED(loader.check_values(kernels, alone));
  return weights;
}

}  // namespace baton::layers
