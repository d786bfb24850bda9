// Weights: views of a model's matrices as the layers use them, and the small vectors as float.
//
// Matrices stay in the mapped files (kernels::Matrix): the checkpoint's, or, of what the numeric
// mode packs, the packed file. load_weights reads each value that the rank owns once, and no other,
// to refuse what is not a finite number or not what was packed, before anything is served. The
// files must outlive them. Thread safety: immutable after load, but for an expert's slots.
#pragma once

#include <optional>
#include <vector>

#include "base/result.h"
#include "base/system/thread_pool.h"
#include "model/checkpoint/checkpoint.h"
#include "model/checkpoint/packed/packed_file.h"
#include "model/kernels/matrix.h"

namespace baton::layers {

// What one rank of an instance owns: a slice of the heads, and the experts in its slots.
struct Share {
  uint32_t tp = 1;
  uint32_t tp_rank = 0;
  // [cache layers][slots]: the expert in each slot; the shared one, if it is routed, has the id
  // after the last. Of a layer without experts: empty. Nothing at all: every expert, in order.
  std::vector<std::vector<uint32_t>> experts;
  bool routed_shared = false;  // the shared expert is one of those in the slots
};

struct AttentionWeights {        // `heads`: those of the share
  kernels::Matrix q_a;           // [q_lora, hidden]; empty without a query latent
  std::vector<float> q_a_norm;   // [q_lora]
  kernels::Matrix q;             // [heads * (nope + rope), q_lora or hidden]
  kernels::Matrix kv_a;          // [kv_lora + rope, hidden]
  std::vector<float> kv_a_norm;  // [kv_lora]
  kernels::Matrix
      kv_b;           // [heads * (nope + v), kv_lora]: of each head the key rows, then the values'
  kernels::Matrix o;  // [hidden, heads * v]

  // Packed, in place of kv_b:
  kernels::Matrix keys;    // [heads * nope, kv_lora]
  kernels::Matrix values;  // [heads * v, kv_lora]
  kernels::Matrix absorb;  // [heads * kv_lora, nope]: a head's key rows, transposed
};

struct MlpWeights {
  kernels::Matrix gate;  // [width, hidden]
  kernels::Matrix up;    // [width, hidden]
  kernels::Matrix down;  // [hidden, width]
};

struct MoeWeights {
  kernels::Matrix router;            // [experts, hidden]
  std::vector<float> router_bias;    // [experts], or empty
  std::vector<MlpWeights> slots;     // by slot of this rank
  std::optional<MlpWeights> shared;  // unless it is in a slot
};

struct LayerWeights {
  std::vector<float> attention_norm;  // [hidden]
  AttentionWeights attention;
  std::vector<float> mlp_norm;  // [hidden]
  MlpWeights dense;             // of a layer without experts
  std::optional<MoeWeights> moe;
};

struct MtpWeights {
  kernels::Matrix embedding;
  std::vector<float> embedding_norm;  // enorm
  std::vector<float> hidden_norm;     // hnorm
  kernels::Matrix projection;         // eh_proj [hidden, 2 * hidden]: embedding first
  LayerWeights layer;
  std::vector<float> head_norm;
  kernels::Matrix head;
};

struct Weights {
  kernels::Matrix embedding;  // [vocab, hidden]
  std::vector<LayerWeights> layers;
  std::vector<float> final_norm;
  kernels::Matrix head;  // [vocab, hidden]
  std::optional<MtpWeights> mtp;
};

// Where weights come from.
struct WeightFiles {
  const checkpoint::Checkpoint& checkpoint;
  const checkpoint::PackedFile* packed = nullptr;  // of a mode that packs
};

// An error that is the packed file's fault is ErrorCode::corrupt, and names it.
Result<Weights> load_weights(const WeightFiles& files, const kernels::Kernels& kernels,
                             ThreadPool& pool, const Share& share);

// One expert of a layer, its values looked at; for a slot that gets another expert.
Result<MlpWeights> load_expert(const WeightFiles& files, const kernels::Kernels& kernels,
                               size_t layer, uint32_t expert);

}  // namespace baton::layers
