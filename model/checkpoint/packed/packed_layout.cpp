#include "model/checkpoint/packed/packed_layout.h"

#include <numeric>

#include "base/hash/digest.h"
#include "model/checkpoint/packed/packed_file.h"

namespace baton::checkpoint {
namespace {

constexpr size_t kAlignment = 64;

size_t aligned(size_t bytes, size_t to) { return (bytes + to - 1) / to * to; }

unsigned head_segments(const ModelConfig& config) {
  return static_cast<unsigned>(std::gcd(config.num_heads, size_t{kernels::kSegmentsMax}));
}

std::vector<PackedPiece> attention_pieces(const ModelConfig& c, const ExpectedTensor& tensor) {
  const kernels::PanelShape whole{tensor.shape[0], tensor.shape[1]};
  if (tensor.name.ends_with("kv_b_proj.weight")) {
    const size_t nope = c.qk_nope_head_dim;
    const size_t v = c.v_head_dim;
    return {{PackedPart::keys, {c.num_heads * nope, c.kv_lora_rank, nope}},
            {PackedPart::values, {c.num_heads * v, c.kv_lora_rank, v}},
            {PackedPart::absorb, {c.num_heads * c.kv_lora_rank, nope, c.kv_lora_rank}}};
  }
  if (tensor.name.ends_with("o_proj.weight")) {
    return {{PackedPart::whole, {whole.rows, whole.cols, 0, head_segments(c)}}};
  }
  if (tensor.split == TensorSplit::rows) {  // the queries of the heads
    return {{PackedPart::whole, {whole.rows, whole.cols, whole.rows / c.num_heads}}};
  }
  return {{PackedPart::whole, whole}};
}

}  // namespace

std::vector<PackedPiece> packed_pieces(const ModelConfig& config, const NumericMode& mode,
                                       const ExpectedTensor& tensor) {
  if (tensor.shape.size() != 2) return {};
  kernels::PanelShape whole{tensor.shape[0], tensor.shape[1]};
  switch (tensor.kind) {
    case TensorKind::attention:
      return attention_pieces(config, tensor);
    case TensorKind::head:
    case TensorKind::dense_mlp:
    case TensorKind::shared_expert:
    case TensorKind::mtp_projection:
      return {{PackedPart::whole, whole}};
    case TensorKind::routed_expert:
      if (mode.experts == WeightForm::int4) whole.form = kernels::PanelForm::int4;
      return {{PackedPart::whole, whole}};
    case TensorKind::embedding:  // looked up by row, unless it is the head too
      if (config.tie_word_embeddings && !tensor.mtp) return {{PackedPart::whole, whole}};
      return {};
    case TensorKind::norm:
    case TensorKind::router:
      return {};
  }
  return {};
}

std::string packed_name(std::string_view source, PackedPart part) {
  switch (part) {
    case PackedPart::whole:
      return std::string(source);
    case PackedPart::keys:
      return fmt::format("{}#keys", source);
    case PackedPart::values:
      return fmt::format("{}#values", source);
    case PackedPart::absorb:
      return fmt::format("{}#absorb", source);
  }
  return std::string(source);
}

PackedLayout::PackedLayout(const Checkpoint& checkpoint, const NumericMode& mode) {
  check(mode.packed(), "a layout is of a mode that packs");
  const ModelConfig& config = checkpoint.config();
  visit_expected_tensors(config, [&](const ExpectedTensor& tensor) {
    if (!checkpoint.has(tensor.name)) return true;
    for (const auto& [part, shape] : packed_pieces(config, mode, tensor)) {
      tensors_.push_back(
          {packed_name(tensor.name, part), tensor.name, part, shape, 0, shape.bytes()});
    }
    return true;
  });
  header_bytes_ = aligned(packed_header_bytes(tensors_.size()), 4096);
  file_bytes_ = header_bytes_;
  for (PackedTensor& tensor : tensors_) {
    tensor.offset = file_bytes_;
    file_bytes_ += aligned(tensor.bytes, kAlignment);
  }
  for (size_t i = 0; i < tensors_.size(); ++i) by_name_.emplace(tensors_[i].name, i);
}

const PackedTensor* PackedLayout::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &tensors_[found->second];
}

}  // namespace baton::checkpoint
