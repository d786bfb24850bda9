#include "model/layers/weights.h"

#include <atomic>
#include <bit>
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

bool is_finite_row(const kernels::Kernels& kernels, const kernels::PackedRow& row, float* values) {
  uint32_t bad = 0;
  if (row.format == kernels::Format::f8_e4m3) {
    const auto* codes = static_cast<const uint8_t*>(row.data);
    for (size_t i = 0; i < row.count; ++i) bad |= (codes[i] & 0x7f) == 0x7f ? 1 : 0;
  }
  constexpr uint32_t kExponent = 0x7f800000;
  kernels.unpack(row, values);
  for (size_t i = 0; i < row.count; ++i) {
    bad |= (std::bit_cast<uint32_t>(values[i]) & kExponent) == kExponent ? 1 : 0;
  }
  return bad == 0;
}

enum class Cut { none, rows, cols };  // which of a matrix' sides tensor parallelism splits

// Finds tensors by name and remembers the matrices, to check their values in the end.
class Loader {
 public:
  Loader(const checkpoint::Checkpoint& checkpoint, const Share& share)
      : checkpoint_(checkpoint), share_(share) {}

  Result<kernels::Matrix> adopt(Result<checkpoint::Weight> found, Cut cut = Cut::none) {
    BATON_TRY(weight, std::move(found));
    const auto* scales = weight.scale_inv ? weight.scale_inv->data.data() : nullptr;
    kernels::Matrix matrix(format_of(weight.data.dtype), weight.data.data.data(), weight.rows,
                           weight.cols, scales);
    if (cut == Cut::rows) {
      const size_t rows = matrix.rows() / share_.tp;
      matrix = matrix.row_range(share_.tp_rank * rows, (share_.tp_rank + 1) * rows);
    } else if (cut == Cut::cols) {
      const size_t cols = matrix.cols() / share_.tp;
      matrix = matrix.col_range(share_.tp_rank * cols, (share_.tp_rank + 1) * cols);
    }
    matrices_.emplace_back(matrix, std::move(weight));
    return matrix;
  }

  Result<void> matrix(kernels::Matrix& to, const std::string& name, Cut cut = Cut::none) {
    BATON_TRY(matrix, adopt(checkpoint_.weight(name), cut));
    to = matrix;
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
    BATON_CHECKED(matrix(to.kv_b, prefix + "kv_b_proj.weight", Cut::rows));
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
    BATON_TRY(embedding, adopt(checkpoint_.mtp_embedding()));
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
    std::vector<std::vector<float>> scratch(pool.size());
    std::atomic<size_t> bad = matrices_.size();
    pool.run(matrices_.size(), [&](size_t i, unsigned thread) {
      const kernels::Matrix& matrix = matrices_[i].first;
      auto& values = scratch[thread];
      values.resize(std::max(values.size(), matrix.cols()));
      for (size_t r = 0; r < matrix.rows(); ++r) {
        if (!is_finite_row(kernels, matrix.row(r), values.data())) {
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
  const checkpoint::Checkpoint& checkpoint_;
  const Share& share_;
  std::vector<std::pair<kernels::Matrix, checkpoint::Weight>> matrices_;
};

}  // namespace

Result<Weights> load_weights(const checkpoint::Checkpoint& checkpoint,
                             const kernels::Kernels& kernels, ThreadPool& pool,
                             const Share& share) {
  const auto& config = checkpoint.config();
  Loader loader(checkpoint, share);
  Weights weights;
  BATON_TRY(embedding, loader.adopt(checkpoint.embedding()));
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

Result<MlpWeights> load_expert(const checkpoint::Checkpoint& checkpoint,
                               const kernels::Kernels& kernels, size_t layer, uint32_t expert) {
  const Share share;
  Loader loader(checkpoint, share);
  BATON_TRY(weights, loader.expert(layer, expert));
  ThreadPool alone(1);
  BATON_CHECKED(loader.check_values(kernels, alone));
  return weights;
}

}  // namespace baton::layers
