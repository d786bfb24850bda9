// The tensors that a configuration calls for: their names, shapes and roles, without any file.
//
// One list serves validation (a checkpoint must hold exactly these), parameter counts, memory sums
// and the writers of test checkpoints. Shapes are [out, in], row-major, as Hugging Face stores
// them. Thread safety: pure functions.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "model/checkpoint/config.h"
#include "model/checkpoint/safetensors.h"

namespace baton::checkpoint {

enum class TensorKind : uint8_t {
  embedding,
  head,
  norm,
  attention,
  dense_mlp,
  router,
  routed_expert,
  shared_expert,
  mtp_projection,  // eh_proj
};

std::string_view to_string(TensorKind kind);

// How a tensor parallel layout divides a tensor over the heads' or the vocabulary's ranks.
enum class TensorSplit : uint8_t { whole, rows, columns, expert };
inline constexpr size_t kTensorSplits = 4;

struct ExpectedTensor {
  std::string name;  // "model.layers.3.mlp.gate.weight"
  Shape shape;
  TensorKind kind = TensorKind::norm;
  TensorSplit split = TensorSplit::whole;
  std::optional<size_t> layer;  // none for the embedding, the final norm and the head
  bool mtp = false;             // belongs to the MTP layer
  bool fp8 = false;             // may be e4m3 with block scales
  bool optional = false;        // the MTP layer's copies of the main embedding and head

  size_t elements() const;
};

// Calls `visit` for each tensor, layer by layer, until it returns false. Nothing is stored, so a
// configuration that calls for a million tensors costs no memory.
void visit_expected_tensors(const ModelConfig& config,
                            const std::function<bool(const ExpectedTensor&)>& visit);

std::vector<ExpectedTensor> expected_tensors(const ModelConfig& config);

// The name and the shape of the scales of an FP8 weight: a scale a block, partial ones included.
std::string scale_name(std::string_view weight_name);
Shape scale_shape(const Shape& weight_shape);

// "model.layers.LAYER."
std::string layer_prefix(size_t layer);

}  // namespace baton::checkpoint
