// ModelConfig: every dimension and option of a DeepSeek-V2 or -V3 model, typed and range-checked.
//
// read_config reads DIR/config.json and, where it exists, DIR/generation_config.json. Invariants of
// a ModelConfig that it returned: every dimension is within its limit (so products of any two fit
// in 64 bits), groups divide the experts, enough experts stay after the group choice, the rope part
// is even, ids lie inside the vocabulary. What Baton can't compute is refused by the field's name.
// The architecture is decided by `architectures`, never by `model_type`.
// Thread safety: a value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace baton::checkpoint {

enum class Architecture : uint8_t { deepseek_v2, deepseek_v3 };
enum class Scoring : uint8_t { sigmoid, softmax };
enum class TopkMethod : uint8_t { greedy, group_limited_greedy, noaux_tc };

std::string_view to_string(Architecture architecture);  // the name in `architectures`
std::string_view to_string(Scoring scoring);
std::string_view to_string(TopkMethod method);

// `rope_scaling` of type "yarn".
struct Yarn {
  double factor = 1;
  size_t original_max_position_embeddings = 4096;
  double beta_fast = 32;
  double beta_slow = 1;
  double mscale = 1;
  double mscale_all_dim = 0;

  bool operator==(const Yarn&) const = default;
};

// What generation_config.json proposes where a request says nothing. Not part of the model.
struct SamplingDefaults {
  bool do_sample = true;  // false: greedy
  std::optional<double> temperature;
  std::optional<double> top_p;
  std::optional<size_t> top_k;
  std::optional<double> repetition_penalty;

  bool operator==(const SamplingDefaults&) const = default;
};

struct ModelConfig {
  Architecture architecture = Architecture::deepseek_v3;

  size_t hidden_size = 0;
  size_t num_layers = 0;  // of the main model; the MTP layer, if there is one, has this index
  size_t mtp_layers = 0;  // 0 or 1
  size_t vocab_size = 0;
  size_t max_position_embeddings = 0;
  bool tie_word_embeddings = false;

  size_t num_heads = 0;
  std::optional<size_t> q_lora_rank;  // none: one q_proj instead of q_a, norm, q_b
  size_t kv_lora_rank = 0;
  size_t qk_nope_head_dim = 0;
  size_t qk_rope_head_dim = 0;  // even
  size_t v_head_dim = 0;

  size_t intermediate_size = 0;      // of the dense layers
  size_t moe_intermediate_size = 0;  // of one expert
  size_t num_routed_experts = 0;
  size_t num_shared_experts = 0;  // 0: no shared expert; else one MLP of this many times the size
  size_t experts_per_token = 0;
  size_t num_groups = 1;
  size_t topk_groups = 1;
  Scoring scoring = Scoring::sigmoid;
  TopkMethod topk_method = TopkMethod::noaux_tc;
  bool norm_topk_prob = true;
  double routed_scaling_factor = 1;
  size_t first_k_dense_replace = 0;
  size_t moe_layer_freq = 1;

  double rms_norm_eps = 1e-6;
  double rope_theta = 10000;
  std::optional<Yarn> yarn;

  bool fp8_blocks = false;  // some weights are e4m3 with a scale for each block of 128 x 128

  std::optional<uint32_t> bos_token_id;
  std::vector<uint32_t> eos_token_ids;  // config.json's, then those only generation_config.json has
  SamplingDefaults sampling;

  bool operator==(const ModelConfig&) const = default;

  // Layers with weights and a cache of their own: the main ones and the MTP layer.
  size_t num_cache_layers() const { return num_layers + mtp_layers; }
  // Whether layer `layer` has experts. The MTP layer (index num_layers) always has.
  bool is_moe_layer(size_t layer) const;
  size_t qk_head_dim() const { return qk_nope_head_dim + qk_rope_head_dim; }
  size_t shared_intermediate_size() const { return num_shared_experts * moe_intermediate_size; }
  // Numbers a token's cache entry has in each layer: the latent, then the shared rope key.
  size_t kv_entry_width() const { return kv_lora_rank + qk_rope_head_dim; }
  // What attention scores are multiplied by: (nope + rope)^-1/2, with YaRN times
  // yarn_mscale(factor, mscale_all_dim)^2 unless mscale_all_dim is 0. The same bits on every CPU.
  double softmax_scale() const;
};

// Edge of an FP8 scale block, in rows and in columns; the last ones may be partial.
inline constexpr size_t kFp8Block = 128;

// 0.1 * mscale * ln(factor) + 1, or 1 if factor <= 1. The same bits on every CPU.
double yarn_mscale(double factor, double mscale);

// From the texts of config.json and generation_config.json (empty: there is none). `where` names
// the folder in error sentences.
Result<ModelConfig> parse_config(std::string_view config_json, std::string_view generation_json,
                                 std::string_view where);

// From the files of a model folder.
Result<ModelConfig> read_config(const std::filesystem::path& dir);

}  // namespace baton::checkpoint
