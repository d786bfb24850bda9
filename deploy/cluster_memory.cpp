#include "deploy/cluster_memory.h"

#include <algorithm>

#include "model/checkpoint/packed/numeric_mode.h"

namespace baton::deploy {
namespace {

constexpr uint64_t kProcessBytes = uint64_t{24} << 20;  // code, MPI, queues
constexpr uint64_t kLogitsRows = 64;

double gib(double bytes) { return bytes / (1 << 30); }

// The float32 rows that a rank works on: of its DP group in attention, its own in what experts give
// back.
uint64_t buffer_bytes(const checkpoint::ModelConfig& c, const parallel::Layout& layout,
                      uint64_t rows) {
  const uint64_t own = (rows + layout.tp - 1) / layout.tp;
  const uint64_t batches = layout.overlap ? 2 : 1;
  const uint64_t residual = 6 * c.hidden_size + (c.mtp_layers > 0 ? 3 * c.hidden_size : 0);
  const uint64_t heads = c.num_heads / layout.tp;
  const uint64_t head = c.qk_nope_head_dim + 2 * c.qk_rope_head_dim + c.v_head_dim;
  const uint64_t results = own * (c.experts_per_token + 1) * c.hidden_size * batches;
  const uint64_t floats = rows * (residual + heads * head) + results + kLogitsRows * c.vocab_size;
  return floats * sizeof(float);
}

}  // namespace

double ClusterMemory::total() const {
  return static_cast<double>(weights) + static_cast<double>(instances) * static_cast<double>(pool) +
         static_cast<double>(processes) + static_cast<double>(kvstores);
}

ClusterMemory cluster_memory(const UpOptions& options, const checkpoint::Summary& summary,
                             std::span<const parallel::Layout> layouts) {
  ClusterMemory memory;
  const auto mode = checkpoint::find_numeric_mode(options.mode);
  check(mode.has_value(), "an unknown mode is refused with the options");
  memory.weights = weight_bytes(summary, *mode);
  memory.pool = options.kv_memory;
  const bool store = options.kvstore && options.prefix_caching && !options.single_process;
  memory.kvstores = store ? options.kvstores * options.kvstore_memory : 0;
  for (const parallel::Layout& layout : layouts) {
    const uint64_t ranks = uint64_t{layout.instances} * layout.ranks();
    memory.instances += layout.instances;
    memory.ranks += ranks;
    memory.processes += ranks * (kProcessBytes + buffer_bytes(summary.config, layout,
                                                              options.max_num_batched_tokens));
  }
  return memory;
}

Result<void> check_fits(const ClusterMemory& memory, uint64_t there) {
  if (memory.total() <= static_cast<double>(there)) return {};
  return fail(
      ErrorCode::resource_exhausted,
      "this cluster needs {:.1f} GiB (weights {:.1f}, {} pools of {:.1f}, kvstores of {:.1f}, {} "
      "ranks with {:.1f} for their steps), and the machine has {:.1f}; lower --kv-memory, "
      "--kvstore-memory, --max-num-batched-tokens or the layouts",
      gib(memory.total()), gib(static_cast<double>(memory.weights)), memory.instances,
      gib(static_cast<double>(memory.pool)), gib(static_cast<double>(memory.kvstores)),
      memory.ranks, gib(static_cast<double>(memory.processes)), gib(static_cast<double>(there)));
}

}  // namespace baton::deploy
