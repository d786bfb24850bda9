// Writes random checkpoints of any configuration in the Hugging Face layout, for tests.
//
//   TemporaryFolder folder;
//   CheckpointSpec spec;                      // tiny V3: 3 layers, 8 experts, MTP, BF16
//   spec.config["q_lora_rank"] = nullptr;
//   write_checkpoint(spec, folder.path());
//
// Values depend on the seed and a tensor's name alone, not on shards or other tensors. To write a
// damaged checkpoint, change the result of make_tensors before write_tensors.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "model/checkpoint/dequantize.h"
#include "model/checkpoint/expected_tensors.h"

namespace baton::testing {

// A small V3: every feature that the real one has, sizes that are no multiples of 128 or of 16.
inline nlohmann::json tiny_v3_config() {
  return nlohmann::json::parse(R"({
    "architectures": ["DeepseekV3ForCausalLM"], "model_type": "deepseek_v3",
    "hidden_size": 40, "num_hidden_layers": 3, "num_attention_heads": 4, "vocab_size": 96,
    "max_position_embeddings": 512, "q_lora_rank": 24, "kv_lora_rank": 32, "qk_nope_head_dim": 8,
    "qk_rope_head_dim": 6, "v_head_dim": 8, "intermediate_size": 56, "moe_intermediate_size": 20,
    "n_routed_experts": 8, "n_shared_experts": 1, "num_experts_per_tok": 3, "n_group": 4,
    "topk_group": 2, "scoring_func": "sigmoid", "topk_method": "noaux_tc", "norm_topk_prob": true,
    "routed_scaling_factor": 2.5, "first_k_dense_replace": 1, "moe_layer_freq": 1,
    "rms_norm_eps": 1e-6, "rope_theta": 10000, "rope_scaling": null, "hidden_act": "silu",
    "tie_word_embeddings": false, "num_nextn_predict_layers": 1, "attention_bias": false,
    "bos_token_id": 0, "eos_token_id": 1
  })");
}

// A small V2-Lite: no q latent, softmax scores, two shared experts, YaRN, no MTP layer.
inline nlohmann::json tiny_v2_config() {
  auto config = tiny_v3_config();
  config["architectures"] = {"DeepseekV2ForCausalLM"};
  config["q_lora_rank"] = nullptr;
  config["n_shared_experts"] = 2;
  config["n_group"] = 1;
  config["topk_group"] = 1;
  config["scoring_func"] = "softmax";
  config["topk_method"] = "greedy";
  config["norm_topk_prob"] = false;
  config["routed_scaling_factor"] = 1.0;
  config["rope_scaling"] = {
      {"type", "yarn"},         {"factor", 40},   {"original_max_position_embeddings", 64},
      {"beta_fast", 32},        {"beta_slow", 1}, {"mscale", 0.707},
      {"mscale_all_dim", 0.707}};
  config.erase("num_nextn_predict_layers");
  return config;
}

struct CheckpointSpec {
  nlohmann::json config = tiny_v3_config();
  checkpoint::Dtype dtype = checkpoint::Dtype::bf16;  // bf16, f16 or f32
  bool fp8 = false;        // linear weights in e4m3 blocks; sets quantization_config
  size_t shards = 2;       // 0: one model.safetensors without an index
  bool mtp_copies = true;  // the MTP layer's embedding and head
  uint64_t seed = 1;
  double scale = 1;  // of the matrices' values, times 1/sqrt(columns)
};

struct RawTensor {
  std::string name;
  checkpoint::Dtype dtype = checkpoint::Dtype::f32;
  checkpoint::Shape shape;
  std::string bytes;
};

// A stream of numbers from a seed and a name.
class NamedRandom {
 public:
  NamedRandom(uint64_t seed, std::string_view name) : state_(seed * 0x9e3779b97f4a7c15) {
    for (const char c : name) state_ = (state_ ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  }
  uint64_t next() {  // splitmix64
    uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  // Of variance 1: uniform in [-sqrt 3, sqrt 3).
  double value() { return (static_cast<double>(next() >> 11) * 0x1p-52 - 1) * 1.7320508075688772; }

 private:
  uint64_t state_;
};

inline void append_float(std::string& bytes, checkpoint::Dtype dtype, float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  switch (dtype) {
    case checkpoint::Dtype::f32:
      bytes.append(reinterpret_cast<const char*>(&bits), 4);
      return;
    case checkpoint::Dtype::bf16:  // round to nearest, ties to even
      bits = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
      break;
    case checkpoint::Dtype::f16: {
      const float magnitude = std::fabs(value);
      if (magnitude < 0x1p-14f) {
        bits = static_cast<uint32_t>(std::nearbyint(magnitude * 0x1p24f));
      } else {
        const uint32_t positive = bits & 0x7fffffff;
        bits = (positive + 0xfff + ((positive >> 13) & 1) - (112u << 23)) >> 13;
      }
      bits |= std::signbit(value) ? 0x8000 : 0;
      break;
    }
    default:
      throw std::logic_error("no float type that this writer knows");
  }
  bytes.append(reinterpret_cast<const char*>(&bits), 2);
}

// A matrix in e4m3 codes and its block scales.
inline std::pair<RawTensor, RawTensor> make_fp8(const checkpoint::ExpectedTensor& expected,
                                                NamedRandom& random, double scale) {
  RawTensor weight{expected.name, checkpoint::Dtype::f8_e4m3, expected.shape, {}};
  RawTensor scales{checkpoint::scale_name(expected.name),
                   checkpoint::Dtype::f32,
                   checkpoint::scale_shape(expected.shape),
                   {}};
  for (size_t i = 0; i < expected.elements(); ++i) {
    // Codes of either sign, up to 1.875 in magnitude, subnormal ones among them.
    weight.bytes.push_back(static_cast<char>(random.next() & 0xbf));
  }
  size_t blocks = 1;
  for (const size_t dim : scales.shape) blocks *= dim;
  for (size_t i = 0; i < blocks; ++i) {
    append_float(scales.bytes, checkpoint::Dtype::f32,
                 static_cast<float>(scale * (1 + 0.25 * random.value())));
  }
  return {std::move(weight), std::move(scales)};
}

// All tensors that the configuration calls for, with random values: norms near 1, the router's
// bias small, matrices of variance scale^2 / columns.
inline std::vector<RawTensor> make_tensors(const CheckpointSpec& spec) {
  auto json = spec.config;
  const auto config = checkpoint::parse_config(json.dump(), "", "spec");
  if (!config) throw std::runtime_error(config.error().message);
  std::vector<RawTensor> tensors;
  for (const auto& expected : checkpoint::expected_tensors(*config)) {
    if (expected.optional && !spec.mtp_copies) continue;
    NamedRandom random(spec.seed, expected.name);
    const double scale = spec.scale / std::sqrt(static_cast<double>(expected.shape.back()));
    const bool eh_proj = expected.kind == checkpoint::TensorKind::mtp_projection;
    if (spec.fp8 && expected.fp8 && !eh_proj) {
      auto [weight, scales] = make_fp8(expected, random, scale);
      tensors.push_back(std::move(weight));
      tensors.push_back(std::move(scales));
      continue;
    }
    const bool bias = expected.name.ends_with("e_score_correction_bias");
    RawTensor tensor{expected.name, bias ? checkpoint::Dtype::f32 : spec.dtype, expected.shape, {}};
    for (size_t i = 0; i < expected.elements(); ++i) {
      const double value = random.value();
      const double shaped = expected.kind == checkpoint::TensorKind::norm ? 1 + 0.1 * value
                            : bias                                        ? 0.05 * value
                                                                          : scale * value;
      append_float(tensor.bytes, tensor.dtype, static_cast<float>(shaped));
    }
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

inline void write_file(const std::filesystem::path& path, std::string_view bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!file) throw std::runtime_error("cannot write " + path.string());
}

inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// The frame of a safetensors file around any header text.
inline std::string frame_safetensors(std::string_view header, std::string_view data) {
  std::string bytes;
  for (size_t i = 0; i < 8; ++i) {
    bytes.push_back(static_cast<char>((static_cast<uint64_t>(header.size()) >> (8 * i)) & 0xff));
  }
  return bytes.append(header).append(data);
}

inline std::string make_safetensors(const std::vector<const RawTensor*>& tensors) {
  nlohmann::ordered_json header = {{"__metadata__", {{"format", "pt"}}}};
  std::string data;
  for (const RawTensor* tensor : tensors) {
    header[tensor->name] = {{"dtype", to_string(tensor->dtype)},
                            {"shape", tensor->shape},
                            {"data_offsets", {data.size(), data.size() + tensor->bytes.size()}}};
    data += tensor->bytes;
  }
  return frame_safetensors(header.dump(), data);
}

// Spreads the tensors over shards in turn, so that a weight and its scales come apart.
inline void write_tensors(const std::vector<RawTensor>& tensors, size_t shards,
                          const std::filesystem::path& dir) {
  std::vector<std::vector<const RawTensor*>> files(std::max<size_t>(shards, 1));
  for (size_t i = 0; i < tensors.size(); ++i) files[i % files.size()].push_back(&tensors[i]);
  if (shards == 0) {
    write_file(dir / "model.safetensors", make_safetensors(files[0]));
    return;
  }
  nlohmann::json index;
  size_t total = 0;
  for (size_t i = 0; i < files.size(); ++i) {
    const auto name = fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, files.size());
    write_file(dir / name, make_safetensors(files[i]));
    for (const RawTensor* tensor : files[i]) {
      index["weight_map"][tensor->name] = name;
      total += tensor->bytes.size();
    }
  }
  index["metadata"]["total_size"] = total;
  write_file(dir / "model.safetensors.index.json", index.dump());
}

// config.json alone.
inline void write_config(const CheckpointSpec& spec, const std::filesystem::path& dir) {
  auto config = spec.config;
  if (spec.fp8) {
    config["quantization_config"] = {{"quant_method", "fp8"},
                                     {"fmt", "e4m3"},
                                     {"activation_scheme", "dynamic"},
                                     {"weight_block_size", {128, 128}}};
  }
  write_file(dir / "config.json", config.dump(2));
}

// config.json and the weights.
inline void write_checkpoint(const CheckpointSpec& spec, const std::filesystem::path& dir) {
  std::filesystem::create_directories(dir);
  write_config(spec, dir);
  write_tensors(make_tensors(spec), spec.shards, dir);
}

}  // namespace baton::testing
