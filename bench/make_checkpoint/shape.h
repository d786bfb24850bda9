// Shape: the sizes of a random model, as flags say them, and its config.json.
//
// The default is the standard of the benchmarks: hidden 1024, 18 layers, 64 experts of which 6 are
// chosen, 16 heads with DeepSeek-V3's latent sizes, a vocabulary of 32,000: 2.0 billion parameters,
// 0.4 billion of them active. Thread safety: values.
#pragma once

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

namespace baton::bench {

struct Shape {
  size_t hidden = 1024;
  size_t layers = 18;
  size_t dense_layers = 1;
  size_t heads = 16;
  size_t q_lora = 1536;  // 0: queries without a latent
  size_t kv_lora = 512;
  size_t nope = 128;
  size_t rope = 64;
  size_t v = 128;
  size_t dense_width = 4096;
  size_t expert_width = 512;
  size_t experts = 64;
  size_t shared_experts = 1;
  size_t chosen = 6;
  size_t groups = 8;
  size_t chosen_groups = 4;
  size_t vocabulary = 32000;
  size_t positions = 131072;
  bool mtp = false;
  bool fp8 = false;
};

void add_shape_options(CLI::App& app, Shape& shape);
nlohmann::json config_of(const Shape& shape);

}  // namespace baton::bench
