// make_checkpoint: writes a random checkpoint of any shape in the Hugging Face layout, so that
// anybody can repeat a measurement: the same seed and shape give the same bytes.

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "base/observe/progress_bar.h"
#include "base/system/cpu.h"
#include "base/system/options.h"
#include "base/system/thread_pool.h"
#include "bench/make_checkpoint/shape.h"
#include "bench/make_checkpoint/weights.h"

namespace baton::bench {
namespace {

namespace fs = std::filesystem;

constexpr size_t kShardBytes = size_t{1} << 30;

struct Entry {
  StoredTensor tensor;
  checkpoint::TensorKind kind;
};

using Shard = std::vector<Entry>;

std::vector<Shard> shards_of(const checkpoint::ModelConfig& config, bool fp8) {
  std::vector<Shard> shards(1);
  size_t bytes = 0;
  checkpoint::visit_expected_tensors(config, [&](const checkpoint::ExpectedTensor& expected) {
    if (expected.optional) return true;  // the MTP layer takes the main embedding and head
    for (StoredTensor& tensor : stored_tensors(expected, fp8)) {
      if (bytes + tensor.bytes() > kShardBytes && bytes > 0) {
        shards.emplace_back();
        bytes = 0;
      }
      bytes += tensor.bytes();
      shards.back().push_back({std::move(tensor), expected.kind});
    }
    return true;
  });
  return shards;
}

std::string header_of(const Shard& shard) {
  nlohmann::ordered_json header = {{"__metadata__", {{"format", "pt"}}}};
  size_t at = 0;
  for (const Entry& entry : shard) {
    const StoredTensor& tensor = entry.tensor;
    header[tensor.name] = {{"dtype", to_string(tensor.dtype)},
                           {"shape", tensor.shape},
                           {"data_offsets", {at, at + tensor.bytes()}}};
    at += tensor.bytes();
  }
  return header.dump();
}

// Tensors are made by all threads, a few at a time, and written in their order.
void write_shard(const fs::path& path, const Shard& shard, uint64_t seed, size_t layers,
                 ThreadPool& pool, ProgressBar& progress) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  const std::string header = header_of(shard);
  const uint64_t length = header.size();
  file.write(reinterpret_cast<const char*>(&length), sizeof length);
  file << header;
  const size_t at_once = 8 * pool.size();
  std::vector<std::vector<std::byte>> made(at_once);
  for (size_t first = 0; first < shard.size(); first += at_once) {
    const size_t count = std::min(at_once, shard.size() - first);
    pool.run(count, [&](size_t i, unsigned) {
      made[i] = random_bytes(seed, shard[first + i].tensor, shard[first + i].kind, layers);
    });
    for (size_t i = 0; i < count; ++i) {
      file.write(reinterpret_cast<const char*>(made[i].data()),
                 static_cast<std::streamsize>(made[i].size()));
      progress.add(made[i].size());
    }
  }
  file.flush();
  if (!file) throw std::runtime_error("can't write " + path.string());
}

void write_checkpoint(const fs::path& folder, const Shape& shape, uint64_t seed) {
  const auto json = config_of(shape);
  const auto config = checkpoint::parse_config(json.dump(), "", "the flags' model");
  if (!config) throw std::runtime_error(config.error().message);
  fs::create_directories(folder);
  std::ofstream(folder / "config.json") << json.dump(2) << "\n";
  const auto shards = shards_of(*config, shape.fp8);
  size_t total = 0;
  size_t parameters = 0;
  nlohmann::json index;
  for (size_t s = 0; s < shards.size(); ++s) {
    for (const Entry& entry : shards[s]) {
      const StoredTensor& tensor = entry.tensor;
      total += tensor.bytes();
      parameters += tensor.bytes() / checkpoint::dtype_bytes(tensor.dtype);
      index["weight_map"][tensor.name] =
          fmt::format("model-{:05}-of-{:05}.safetensors", s + 1, shards.size());
    }
  }
  index["metadata"]["total_size"] = total;
  ThreadPool pool(cpu_count());
  {
    ProgressBar progress("writing " + folder.string(), total, ProgressBar::best_style());
    for (size_t s = 0; s < shards.size(); ++s) {
      const auto name = fmt::format("model-{:05}-of-{:05}.safetensors", s + 1, shards.size());
      write_shard(folder / name, shards[s], seed, shape.layers, pool, progress);
    }
  }
  std::ofstream(folder / "model.safetensors.index.json") << index.dump(1) << "\n";
  fmt::print("{}: {:.2f} billion parameters, {:.2f} GB\n", folder.string(), parameters * 1e-9,
             static_cast<double>(total) * 1e-9);
}

// So that the model can be served: text in, and some text out.
void copy_tokenizer(const fs::path& from, const fs::path& to) {
  for (const char* name : {"tokenizer.json", "tokenizer_config.json"}) {
    if (!fs::exists(from / name)) continue;
    fs::copy_file(from / name, to / name, fs::copy_options::overwrite_existing);
  }
}

int run(int argc, char** argv) {
  CLI::App app("Writes a random checkpoint in the Hugging Face layout.");
  std::string folder;
  std::string tokenizer;
  uint64_t seed = 1;
  Shape shape;
  app.add_option("folder", folder, "where to")->required();
  app.add_option("--seed", seed, "of the weights")->capture_default_str();
  app.add_option("--tokenizer", tokenizer, "copy the tokenizer of this model's folder");
  add_shape_options(app, shape);
  if (const auto status = parse_options(app, argc, argv)) return *status;
  try {
    write_checkpoint(folder, shape, seed);
    if (!tokenizer.empty()) copy_tokenizer(tokenizer, folder);
  } catch (const std::exception& problem) {
    fmt::print(stderr, "make_checkpoint: {}\n", problem.what());
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace baton::bench

int main(int argc, char** argv) { return baton::bench::run(argc, argv); }
