// A written random checkpoint with what the layers need around it.
//
// Thread safety: one thread.
#pragma once

#include "base/hash/counter_rng.h"
#include "kvcache/pool_memory.h"
#include "model/layers/network.h"
#include "parallel/exchange/local_port.h"
#include "tests/layers/slow_network.h"
#include "tests/support/checkpoint_writer.h"
#include "tests/support/temporary_folder.h"

namespace baton::layers::testing {

// float32 activations against double: a row passes some twenty sublayers, each a chain of dots of
// at most 600 terms, (600 / 16 + 9) * 2^-24 relative each, and errors add up.
inline constexpr double kLayerTolerance = 47 * 0x1p-24 * 4;
inline constexpr double kNetworkTolerance = 20 * kLayerTolerance;

inline Row to_row(const float* x, size_t n) { return Row(x, x + n); }

inline double largest(const Row& row) {
  double most = 0;
  for (const double v : row) most = std::max(most, std::fabs(v));
  return most;
}

class Model {
 public:
  explicit Model(const baton::testing::CheckpointSpec& spec = {}) {
    baton::testing::write_checkpoint(spec, folder_.path());
    checkpoint_.emplace(checkpoint::Checkpoint::open(folder_.path()).value());
  }
  const checkpoint::Checkpoint& checkpoint() const { return *checkpoint_; }
  const checkpoint::ModelConfig& config() const { return checkpoint_->config(); }
  const std::filesystem::path& path() const { return folder_.path(); }

  Weights weights() {
    return load_weights({checkpoint()}, kernels::best_kernels(), pool, {}).value();
  }
  // Every expert once, in order, on one rank.
  parallel::ExpertPlacement placement() const {
    std::vector<uint32_t> experts(config().num_routed_experts);
    std::iota(experts.begin(), experts.end(), 0u);
    const auto count = static_cast<uint32_t>(experts.size());
    return {std::move(experts), count, 1};
  }
  parallel::ReplicaChoice replicas() const {
    return {placement(), parallel::Topology({}), 0, parallel::Nearness::any_host};
  }
  // The whole network on one rank.
  std::unique_ptr<Network> network(uint32_t rows_max) {
    Network::Placements placements(config().num_cache_layers());
    for (size_t l = 0; l < placements.size(); ++l) {
      if (config().is_moe_layer(l)) placements[l] = placement();
    }
    return std::make_unique<Network>(config(), weights(), std::move(placements),
                                     NetworkSetup{.rows_max = rows_max}, parallel::Topology({}),
                                     *port, kernels::best_kernels(), pool);
  }
  kvcache::PoolMemory cache(uint32_t pages) const {
    const auto& c = config();
    return kvcache::PoolMemory::create_private(
               {static_cast<uint32_t>(c.num_cache_layers()),
                static_cast<uint32_t>(c.kv_entry_width() * sizeof(float))},
               pages)
        .value();
  }
  std::vector<TokenId> tokens(uint64_t seed, size_t count) const {
    SeededRandom random(seed);
    std::vector<TokenId> all(count);
    for (TokenId& token : all) token = static_cast<TokenId>(random.below(config().vocab_size));
    return all;
  }

  ThreadPool pool{2};

 private:
  parallel::LocalHub hub_{1};

 public:
  std::unique_ptr<parallel::Port> port = hub_.port(0);

 private:
  baton::testing::TemporaryFolder folder_;
  std::optional<checkpoint::Checkpoint> checkpoint_;
};

// All of a plan's rows, on one rank.
struct WholeBatch {
  explicit WholeBatch(const RowPlan& plan)
      : bounds{0, plan.rows()}, sources{plan.rows()}, batch{&plan, bounds, sources, 0} {}
  std::vector<uint32_t> bounds, sources;
  Batch batch;
  operator std::span<const Batch>() const { return {&batch, 1}; }
};

inline std::vector<PageId> some_pages(uint32_t count) {
  std::vector<PageId> pages;
  for (uint32_t p = 0; p < count; ++p) pages.push_back(PageId(count - 1 - p));
  return pages;
}

inline std::vector<float> random_floats(uint64_t seed, size_t n) {
  SeededRandom random(seed);
  std::vector<float> values(n);
  for (float& v : values) v = static_cast<float>(random.next() >> 40) * 0x1p-23f - 1;
  return values;
}

}  // namespace baton::layers::testing
