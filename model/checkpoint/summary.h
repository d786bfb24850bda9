// Summary: what a checkpoint is, in numbers, and what a parallel layout makes of it in memory.
//
// Counts follow DeepSeek's own: "active" are the weights that one token is multiplied with, the
// head among them, the embedding (a lookup) not; the MTP layer is counted apart, and its copies of
// embedding and head apart from it. Bytes are those of the files, or, from a configuration alone,
// those its files would have (FP8 linear weights with F32 scales where it says so, BF16 for the
// rest, the router's bias F32). A rank's memory follows the layouts of parallel/: tp divides the
// heads' weights and the head, experts lie in ceil((experts + redundant) / (tp * dp)) slots, and
// what else there is lies on every rank.
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

namespace baton::checkpoint {

// One group of weights, held in each of the ways a process may hold them.
struct WeightSize {
  size_t parameters = 0;
  size_t stored_bytes = 0;  // as in the files, scales included

  size_t float32_bytes() const { return parameters * 4; }
  // fast mode: a byte a weight and a float scale for each 128 of them.
  size_t int8_bytes() const { return parameters + (parameters + 127) / 128 * 4; }

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

  size_t kv_exact_bytes_per_token = 0;      // float32 entries, all layers, the MTP layer's included
  size_t kv_fast_bytes_per_token = 0;       // BF16 entries
  size_t kv_fast_main_bytes_per_token = 0;  // without the MTP layer, as the reports count
};

// From a configuration alone, as if its files were there.
Summary summarize(const ModelConfig& config);
// From opened files.
Summary summarize(const Checkpoint& checkpoint);

// The part of a launcher's layout that decides memory.
struct MemoryLayout {
  size_t tp = 1;
  size_t dp = 1;
  size_t redundant = 0;        // expert slots beyond one an expert
  bool shared_routed = false;  // the shared expert is one more logical expert

  size_t ep() const { return tp * dp; }
  bool operator==(const MemoryLayout&) const = default;
};

// "tp=4,dp=8,redundant=32,shared=routed". Keys that don't concern memory (threads, overlap,
// ranks_per_host, instances) are read over.
Result<MemoryLayout> parse_memory_layout(std::string_view text);

struct RankMemory {
  size_t slots = 0;       // expert slots a rank and layer
  WeightSize replicated;  // on every rank: embedding, norms, routers, latents, dense layers
  WeightSize split;       // this rank's share of the heads' weights and of the head
  WeightSize experts;     // its slots over all layers, and the shared expert
  WeightSize total() const;
};

// Memory of the fullest rank. Refused in one sentence if the layout can't divide the model.
Result<RankMemory> rank_memory(const Summary& summary, const MemoryLayout& layout);

}  // namespace baton::checkpoint
