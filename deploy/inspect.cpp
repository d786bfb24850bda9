// baton-inspect: what a checkpoint is, and what a layout makes of it. Reads headers and FP8 scales;
// all weights only with --verify. One sentence on standard error and status 1 for a bad checkpoint.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "base/system/bus_error.h"
#include "base/system/options.h"
#include "model/checkpoint/checkpoint.h"
#include "model/checkpoint/dequantize.h"
#include "model/checkpoint/summary.h"
#include "parallel/layout.h"

namespace baton {
namespace {

using checkpoint::Checkpoint;
using checkpoint::ModelConfig;
using checkpoint::RankMemory;
using checkpoint::Summary;
using checkpoint::WeightSize;
using Json = nlohmann::ordered_json;

struct Options {
  std::string dir;
  std::vector<std::pair<std::string, std::string>> layouts;  // role, layout
  size_t kv_memory = 4ull << 30;
  bool json = false;
  bool tensors = false;
  bool config_only = false;
  bool verify = false;
};

// What has been found out about the folder.
struct Findings {
  Summary summary;
  std::optional<Checkpoint> checkpoint;  // none with --config-only
  std::vector<std::string> notes;
};

struct LayoutMemory {
  std::string role;
  std::string text;
  parallel::Layout layout;
  RankMemory memory;
};

std::string bytes_text(size_t bytes) {
  const char* const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(units)) {
    value /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.2f} {}", value, units[unit]);
}

std::string count_text(size_t count) {
  const double value = static_cast<double>(count);
  if (count >= 1'000'000'000) return fmt::format("{:.2f} B", value / 1e9);
  if (count >= 1'000'000) return fmt::format("{:.2f} M", value / 1e6);
  return fmt::format("{}", count);
}

Result<void> verify(const Checkpoint& checkpoint, std::vector<std::string>& notes) {
  BATON_TRY(listed, checkpoint.shards().check_manifest(checkpoint.dir()));
  notes.push_back(listed ? "every file matches SHA256SUMS"
                         : "there is no SHA256SUMS to compare the files with");
  for (const auto& tensor : checkpoint::expected_tensors(checkpoint.config())) {
    if (!checkpoint.has(tensor.name)) continue;
    BATON_TRY(weight, checkpoint.weight(tensor.name));
    std::vector<float> row(weight.cols);
    for (size_t i = 0; i < weight.rows; ++i) {
      BATON_CHECKED(checkpoint::read_rows(weight, i, i + 1, row));
    }
  }
  notes.push_back("every weight is a finite number");
  return {};
}

Result<Findings> find_out(const Options& options) {
  if (options.config_only) {
    BATON_TRY(config, checkpoint::read_config(options.dir));
    return Findings{checkpoint::summarize(config), {}, {"no weights were looked at"}};
  }
  BATON_TRY(opened, Checkpoint::open(options.dir));
  BATON_CHECKED(opened.check_scales());
  Findings findings{checkpoint::summarize(opened), std::move(opened), {}};
  findings.notes = findings.checkpoint->notes();
  if (options.verify) BATON_CHECKED(verify(*findings.checkpoint, findings.notes));
  return findings;
}

Result<std::vector<LayoutMemory>> lay_out(const Options& options, const Summary& summary) {
  std::vector<LayoutMemory> all;
  for (const auto& [role, text] : options.layouts) {
    BATON_TRY(layout, parallel::parse_layout(text));
    BATON_TRY(memory, checkpoint::rank_memory(summary, layout));
    all.push_back({role, text, layout, memory});
  }
  return all;
}

void print_model(const ModelConfig& c) {
  size_t moe_layers = 0;
  for (size_t layer = 0; layer < c.num_layers; ++layer) moe_layers += c.is_moe_layer(layer);
  fmt::print("architecture     {}\n", to_string(c.architecture));
  fmt::print("layers           {}, {} of them with experts{}\n", c.num_layers, moe_layers,
             c.mtp_layers > 0 ? ", and an MTP layer" : "");
  fmt::print("hidden           {}, vocabulary {}{}\n", c.hidden_size, c.vocab_size,
             c.tie_word_embeddings ? " (head tied to the embedding)" : "");
  fmt::print("attention        {} heads, latents: q {}, kv {} + rope {}\n", c.num_heads,
             c.q_lora_rank ? std::to_string(*c.q_lora_rank) : "none", c.kv_lora_rank,
             c.qk_rope_head_dim);
  fmt::print("experts          {} routed and {} shared, {} a token by {} of {} scores",
             c.num_routed_experts, c.num_shared_experts, c.experts_per_token,
             to_string(c.topk_method), to_string(c.scoring));
  if (c.num_groups > 1) fmt::print(", from {} of {} groups", c.topk_groups, c.num_groups);
  fmt::print("\ncontext          {} tokens", c.max_position_embeddings);
  if (c.yarn) {
    fmt::print(" (YaRN, {} times {})", c.yarn->factor, c.yarn->original_max_position_embeddings);
  }
  fmt::print("\n");
}

void print_sizes(const Summary& s) {
  fmt::print("parameters       {} ({}), active a token {}\n", count_text(s.main.parameters),
             s.main.parameters, count_text(s.active_parameters));
  if (s.config.mtp_layers > 0) {
    fmt::print("MTP layer        {} more, and {} in copies of embedding and head\n",
               count_text(s.mtp.parameters), count_text(s.mtp_copies.parameters));
  }
  fmt::print("bytes            {}\n",
             bytes_text(s.main.stored_bytes + s.mtp.stored_bytes + s.mtp_copies.stored_bytes));
  for (const auto& [dtype, bytes] : s.bytes_by_dtype) {
    fmt::print("  {:<15}{:>12}\n", dtype, bytes_text(bytes));
  }
  for (const auto& [kind, size] : s.by_kind) {
    fmt::print("  {:<15}{:>12}  {:>10} parameters\n", kind, bytes_text(size.stored_bytes),
               count_text(size.parameters));
  }
  fmt::print("packed          ");
  for (const auto& mode : checkpoint::numeric_modes()) {
    if (mode.packed()) fmt::print(" {} in mode {}", bytes_text(weight_bytes(s, mode)), mode.name);
  }
  fmt::print("\n");
  fmt::print("KV cache         {} bytes a token in float32 (mode exact), {} in BF16 (all others)",
             s.kv_exact_bytes_per_token, s.kv_fast_bytes_per_token);
  if (s.config.mtp_layers > 0) {
    fmt::print(" ({} without the MTP layer)", s.kv_fast_main_bytes_per_token);
  }
  fmt::print("\n");
}

void print_layout(const LayoutMemory& at, const Summary& s, size_t kv_memory) {
  const WeightSize total = at.memory.total();
  fmt::print("{:<17}{} rank{}: {}\n", at.role + " rank", at.layout.ep(),
             at.layout.ep() == 1 ? "" : "s", at.text);
  fmt::print("  {:<15}{} as stored, {} in float32, {} in int8\n", "weights",
             bytes_text(total.stored_bytes), bytes_text(total.float32_bytes()),
             bytes_text(total.int8_bytes()));
  fmt::print("  {:<15}{} replicated, {} split by tp, {} in {} expert slot{} a layer\n", "of them",
             bytes_text(at.memory.replicated.stored_bytes),
             bytes_text(at.memory.split.stored_bytes), bytes_text(at.memory.experts.stored_bytes),
             at.memory.slots, at.memory.slots == 1 ? "" : "s");
  fmt::print("  {:<15}{} an instance hold {} tokens in float32, {} in BF16\n", "KV cache",
             bytes_text(kv_memory), kv_memory / s.kv_exact_bytes_per_token,
             kv_memory / s.kv_fast_bytes_per_token);
}

void print_tensors(const Checkpoint& checkpoint) {
  for (const auto& [name, place] : checkpoint.shards().places()) {
    fmt::print("{} {} {} {}\n", name, to_string(place.info->dtype),
               checkpoint::to_string(place.info->shape),
               checkpoint.shards().path(place).filename().string());
  }
}

Json size_json(const WeightSize& size) {
  return {{"parameters", size.parameters},
          {"stored_bytes", size.stored_bytes},
          {"float32_bytes", size.float32_bytes()},
          {"int8_bytes", size.int8_bytes()}};
}

Json model_json(const ModelConfig& c) {
  Json json = {{"architecture", to_string(c.architecture)},
               {"hidden_size", c.hidden_size},
               {"layers", c.num_layers},
               {"mtp_layers", c.mtp_layers},
               {"vocab_size", c.vocab_size},
               {"heads", c.num_heads},
               {"q_lora_rank", nullptr},
               {"kv_lora_rank", c.kv_lora_rank},
               {"qk_rope_head_dim", c.qk_rope_head_dim},
               {"routed_experts", c.num_routed_experts},
               {"shared_experts", c.num_shared_experts},
               {"experts_per_token", c.experts_per_token},
               {"groups", c.num_groups},
               {"topk_groups", c.topk_groups},
               {"topk_method", to_string(c.topk_method)},
               {"scoring", to_string(c.scoring)},
               {"max_position_embeddings", c.max_position_embeddings},
               {"yarn_factor", nullptr},
               {"fp8_blocks", c.fp8_blocks}};
  if (c.q_lora_rank) json["q_lora_rank"] = *c.q_lora_rank;
  if (c.yarn) json["yarn_factor"] = c.yarn->factor;
  return json;
}

Json to_json(const Findings& findings, const std::vector<LayoutMemory>& layouts,
             const Options& options) {
  const Summary& s = findings.summary;
  Json json = {{"model", model_json(s.config)},
               {"main", size_json(s.main)},
               {"mtp", size_json(s.mtp)},
               {"mtp_copies", size_json(s.mtp_copies)},
               {"active_parameters", s.active_parameters},
               {"bytes_by_dtype", s.bytes_by_dtype},
               {"kv_bytes_per_token",
                {{"exact", s.kv_exact_bytes_per_token}, {"fast", s.kv_fast_bytes_per_token}}},
               {"notes", findings.notes}};
  for (const auto& [kind, size] : s.by_kind) json["by_kind"][kind] = size_json(size);
  for (const auto& mode : checkpoint::numeric_modes()) {
    json["weight_bytes"][mode.name] = weight_bytes(s, mode);
  }
  if (findings.checkpoint) json["fingerprint"] = to_hex(findings.checkpoint->fingerprint());
  for (const auto& at : layouts) {
    json["layouts"].push_back({{"role", at.role},
                               {"layout", at.text},
                               {"ranks", at.layout.ep()},
                               {"slots", at.memory.slots},
                               {"weights", size_json(at.memory.total())},
                               {"replicated", size_json(at.memory.replicated)},
                               {"split", size_json(at.memory.split)},
                               {"experts", size_json(at.memory.experts)},
                               {"kv_memory", options.kv_memory}});
  }
  if (options.tensors && findings.checkpoint) {
    const auto& shards = findings.checkpoint->shards();
    for (const auto& [name, place] : shards.places()) {
      json["tensors"].push_back({{"name", name},
                                 {"dtype", to_string(place.info->dtype)},
                                 {"shape", place.info->shape},
                                 {"file", shards.path(place).filename().string()}});
    }
  }
  return json;
}

Result<void> inspect(const Options& options) {
  BATON_TRY(findings, find_out(options));
  BATON_TRY(layouts, lay_out(options, findings.summary));
  if (options.json) {
    fmt::print("{}\n", to_json(findings, layouts, options).dump(2));
    return {};
  }
  print_model(findings.summary.config);
  print_sizes(findings.summary);
  for (const auto& at : layouts) print_layout(at, findings.summary, options.kv_memory);
  if (findings.checkpoint) {
    fmt::print("fingerprint      {}\n", to_hex(findings.checkpoint->fingerprint()));
  }
  for (const auto& note : findings.notes) fmt::print("note             {}\n", note);
  if (options.tensors && findings.checkpoint) print_tensors(*findings.checkpoint);
  return {};
}

int run(int argc, char** argv) {
  CLI::App app(
      "Shows what a checkpoint is: architecture, parameters, bytes, cache, memory a rank.");
  Options options;
  std::string prefill = "tp=1,dp=1";
  std::string decode = "tp=1,dp=1";
  app.add_option("dir", options.dir, "the folder of a checkpoint")->required()->type_name("DIR");
  app.add_option("--prefill", prefill, "layout of a prefill instance: tp, dp, redundant, shared")
      ->type_name("LAYOUT")
      ->capture_default_str();
  app.add_option("--decode", decode, "layout of a decode instance")
      ->type_name("LAYOUT")
      ->capture_default_str();
  add_bytes_option(app, "--kv-memory", options.kv_memory, "memory for the latent cache of a rank");
  app.add_flag("--json", options.json, "print one JSON object");
  app.add_flag("--tensors", options.tensors, "list every tensor of the files");
  app.add_flag("--config-only", options.config_only,
               "count from config.json alone; no weights need be there");
  app.add_flag("--verify", options.verify,
               "read all weights: finite numbers, and SHA256SUMS where it exists");
  if (const auto status = parse_options(app, argc, argv)) return *status;
  explain_bus_errors();
  options.layouts = {{"prefill", prefill}};
  if (decode == prefill) {
    options.layouts[0].first = "worker";
  } else {
    options.layouts.emplace_back("decode", decode);
  }
  const auto done = inspect(options);
  if (done) return 0;
  fmt::print(stderr, "baton-inspect: {}\n", done.error().message);
  return 1;
}

}  // namespace
}  // namespace baton

int main(int argc, char** argv) { return baton::run(argc, argv); }
