// Summary: what a checkpoint is, in numbers, and what a parallel layout makes of it in memory.
//
// Counts follow DeepSeek's own: "active" are the weights that one token is multiplied with, the
// head among them, the embedding (a lookup) not; the MTP layer is counted apart, and its copies of
// embedding and head apart from it. Bytes are those of the files, or, from a configuration alone,
// those its files would have (FP8 linear weights with F32 scales where it says so, BF16 for the
// rest, the router's bias F32). A rank's memory follows parallel/layout.h: tp divides the heads'
// weights and the head, experts lie in slots, and what else there is lies on every rank.
// Thread safety: pure functions.
#pragma once

#include <array>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/checkpoint/checkpoint.h"
#include "model/checkpoint/packed/numeric_mode.h"
#include "parallel/layout.h"

namespace baton::checkpoint {

// One group of weights, held in each of the ways a process may hold them.
struct WeightSize {
  size_t parameters = 0;
  size_t stored_bytes = 0;  // as in the files, scales included

  size_t float32_bytes() const { return parameters * 4; }
  // As INT8 panels, without filling: a byte a weight and a scale of two bytes for each 128 of them.
  size_t int8_bytes() const { return parameters + (parameters + 127) / 128 * 2; }

  WeightSize& operator+=(const WeightSize& other);
  bool operator==(const WeightSize&) const = default;
};

struct Summary {
  ModelConfig config;
  WeightSize main;        // without the MTP layer
  WeightSize mtp;         // the MTP layer without copies of the embedding and the head
  WeightSize mtp_copies;  // those copies, where the files have them
  size_t active_parameters = 0;
  std::map<std::string, WeightSize> by_kind;       // MTP layer and copies included
  std::array<WeightSize, kTensorSplits> by_split;  // by TensorSplit; the same tensors
  std::map<std::string, size_t> bytes_by_dtype;
  std::map<std::string, size_t> bytes_by_mode;  // what weight_bytes() says

  size_t kv_exact_bytes_per_token = 0;      // float32 entries, all layers, the MTP layer's included
  size_t kv_fast_bytes_per_token = 0;       // BF16 entries
  size_t kv_fast_main_bytes_per_token = 0;  // without the MTP layer, as the reports count
};

// From a configuration alone, as if its files were there.
Summary summarize(const ModelConfig& config);
// From opened files.
Summary summarize(const Checkpoint& checkpoint);

// All weights, as a mode holds them: packed ones as their panels, the rest as stored.
size_t weight_bytes(const Summary& summary, const NumericMode& mode);

// What parallel/ must know of a model to divide it.
parallel::ModelShape model_shape(const ModelConfig& config);

struct RankMemory {
  size_t slots = 0;       // expert slots a rank and layer
  WeightSize replicated;  // on every rank: embedding, norms, routers, latents, dense layers
  WeightSize split;       // this rank's share of the heads' weights and of the head
  WeightSize experts;     // its slots over all layers, and the shared expert
  WeightSize total() const;
};

// Memory of the fullest rank. Refused in one sentence if the layout can't divide the model.
Result<RankMemory> rank_memory(const Summary& summary, const parallel::Layout& layout);

}  // namespace baton::checkpoint
