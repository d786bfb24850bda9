// PackedLayout: what a packed file of a model holds, and where: a function of configuration and
// mode alone, so a file need not say it and can't say it wrong.
//
// Each tensor is a checkpoint's weight as INT8 or 4-bit panels, or one of three parts of kv_b:
// `keys` and `values`, the rows by which a head expands a latent (prefill form), and `absorb`, a
// head's key rows transposed, by which a query is carried into the latent space (decode form). Rows
// of heads are units of panels and o_proj's columns are the partial sums of a split dot, so that a
// rank maps its share. Offsets are multiples of 64. Thread safety: immutable.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "model/checkpoint/checkpoint.h"
#include "model/checkpoint/packed/numeric_mode.h"
#include "model/kernels/int8/panels.h"

namespace baton::checkpoint {

enum class PackedPart : uint8_t { whole, keys, values, absorb };

struct PackedTensor {
  std::string name;    // the source's, and "#keys", "#values" or "#absorb" for a part of it
  std::string source;  // the checkpoint's tensor
  PackedPart part = PackedPart::whole;
  kernels::PanelShape shape;
  size_t offset = 0;  // in the file
  size_t bytes = 0;
};

// What a mode that packs makes of a checkpoint's tensor: panels of it, or of three parts; nothing
// where it stays as stored. An embedding that is the head too is packed and stays as well.
struct PackedPiece {
  PackedPart part = PackedPart::whole;
  kernels::PanelShape shape;
};
std::vector<PackedPiece> packed_pieces(const ModelConfig& config, const NumericMode& mode,
                                       const ExpectedTensor& tensor);

class PackedLayout {
 public:
  // Of the files of a checkpoint, in a mode that packs.
  PackedLayout(const Checkpoint& checkpoint, const NumericMode& mode);
  PackedLayout(PackedLayout&&) = default;
  PackedLayout& operator=(PackedLayout&&) = default;

  const std::vector<PackedTensor>& tensors() const { return tensors_; }
  const PackedTensor* find(std::string_view name) const;  // null: not packed
  size_t index_of(const PackedTensor& tensor) const {
    return static_cast<size_t>(&tensor - tensors_.data());
  }
  size_t header_bytes() const { return header_bytes_; }
  size_t file_bytes() const { return file_bytes_; }

 private:
  std::vector<PackedTensor> tensors_;
  std::unordered_map<std::string_view, size_t> by_name_;
  size_t header_bytes_ = 0;
  size_t file_bytes_ = 0;
};

// "kv_b_proj.weight#keys"
std::string packed_name(std::string_view source, PackedPart part);

}  // namespace baton::checkpoint
