// Checkpoint: a model folder in the Hugging Face layout, checked and mapped.
//
// Invariants after open: config() is valid; the tensors that it calls for are all there, with their
// shapes, dtypes and block scales; what else the files hold is in notes(). Only headers were read:
// a weight's pages are read when it is converted, and its scales when weight() checks that they are
// finite. So a rank that asks for its own tensors reads nothing else. A Weight's views live as long
// as the Checkpoint (or what it was moved to).
// Thread safety: immutable after open.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash/sha256.h"
#include "base/result.h"
#include "model/checkpoint/config.h"
#include "model/checkpoint/expected_tensors.h"
#include "model/checkpoint/shards.h"

namespace baton::checkpoint {

// A matrix [rows, cols], or a vector as one row. Convert it with dequantize.h.
struct Weight {
  std::string name;
  std::string file;  // for sentences
  TensorView data;
  std::optional<TensorView> scale_inv;  // F32 [ceil(rows/128), ceil(cols/128)], with F8_E4M3 data
  size_t rows = 0;
  size_t cols = 0;
};

class Checkpoint {
 public:
  static Result<Checkpoint> open(const std::filesystem::path& dir);

  const std::filesystem::path& dir() const { return dir_; }
  // config.json's, except that mtp_layers is 0 where the files hold nothing of the MTP layer.
  const ModelConfig& config() const { return config_; }

  bool has(std::string_view name) const { return shards_.find(name).has_value(); }
  Result<Weight> weight(std::string_view name) const;

  // The main embedding and head (the embedding again if they are tied), and the MTP layer's own
  // copies, or the main ones where the files have none. All [vocab, hidden].
  Result<Weight> embedding() const;
  Result<Weight> head() const;
  Result<Weight> mtp_embedding() const;
  Result<Weight> mtp_head() const;

  // The FP8 scales of every weight are finite numbers. Reads all scales, so no daemon calls it.
  Result<void> check_scales() const;
  // See ShardSet::check_unchanged.
  Result<void> check_unchanged() const { return shards_.check_unchanged(); }

  // Names the model: a digest of what decides its outputs. It covers config() without the sampling
  // defaults, and name, dtype, shape and content of each tensor that config() calls for; of the
  // content, all bytes up to 64 MiB a checkpoint, else 64 bytes at the start, in the middle and at
  // the end of each tensor. How tensors are spread over files doesn't matter.
  Sha256Digest fingerprint() const;

  const std::vector<std::string>& notes() const { return notes_; }
  const ShardSet& shards() const { return shards_; }

 private:
  Checkpoint(std::filesystem::path dir, ModelConfig config, ShardSet shards)
      : dir_(std::move(dir)), config_(std::move(config)), shards_(std::move(shards)) {}

  Result<void> check_tensors();
  Result<void> check_tensor(const ExpectedTensor& tensor) const;
  Result<void> check_scale_shape(const ExpectedTensor& tensor, std::string_view file) const;
  void note_unused(const std::vector<std::string_view>& used);

  std::filesystem::path dir_;
  ModelConfig config_;
  ShardSet shards_;
  std::vector<std::string> notes_;
};

}  // namespace baton::checkpoint
