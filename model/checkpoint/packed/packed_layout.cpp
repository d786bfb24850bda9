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

}  // namespace

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

void PackedLayout::add(const std::string& source, PackedPart part,
                       const kernels::PanelShape& shape) {
  tensors_.push_back({packed_name(source, part), source, part, shape, 0, shape.bytes()});
}

void PackedLayout::add_attention(const ModelConfig& c, const ExpectedTensor& tensor) {
  const kernels::PanelShape whole{tensor.shape[0], tensor.shape[1]};
  if (tensor.name.ends_with("kv_b_proj.weight")) {
    const size_t nope = c.qk_nope_head_dim;
    const size_t v = c.v_head_dim;
    add(tensor.name, PackedPart::keys, {c.num_heads * nope, c.kv_lora_rank, nope});
    add(tensor.name, PackedPart::values, {c.num_heads * v, c.kv_lora_rank, v});
    add(tensor.name, PackedPart::absorb, {c.num_heads * c.kv_lora_rank, nope, c.kv_lora_rank});
  } else if (tensor.name.ends_with("o_proj.weight")) {
    add(tensor.name, PackedPart::whole, {whole.rows, whole.cols, 0, head_segments(c)});
  } else if (tensor.split == TensorSplit::rows) {  // the queries of the heads
    add(tensor.name, PackedPart::whole, {whole.rows, whole.cols, whole.rows / c.num_heads});
  } else {
    add(tensor.name, PackedPart::whole, whole);
  }
}

PackedLayout::PackedLayout(const Checkpoint& checkpoint, const NumericMode& mode) {
  check(mode.packed(), "a layout is of a mode that packs");
  const ModelConfig& config = checkpoint.config();
  const auto experts =
      mode.experts == WeightForm::int4 ? kernels::PanelForm::int4 : kernels::PanelForm::int8;
  visit_expected_tensors(config, [&](const ExpectedTensor& tensor) {
    if (tensor.shape.size() != 2 || !checkpoint.has(tensor.name)) return true;
    switch (tensor.kind) {
      case TensorKind::attention:
        add_attention(config, tensor);
        break;
      case TensorKind::head:
      case TensorKind::dense_mlp:
      case TensorKind::shared_expert:
      case TensorKind::mtp_projection:
        add(tensor.name, PackedPart::whole, {tensor.shape[0], tensor.shape[1]});
        break;
      case TensorKind::routed_expert:
        add(tensor.name, PackedPart::whole, {tensor.shape[0], tensor.shape[1], 0, 1, experts});
        break;
      case TensorKind::embedding:  // looked up by row, unless it is the head too
        if (config.tie_word_embeddings && !tensor.mtp) {
          add(tensor.name, PackedPart::whole, {tensor.shape[0], tensor.shape[1]});
        }
        break;
      case TensorKind::norm:
      case TensorKind::router:
        break;
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
