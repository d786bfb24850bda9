// ClusterMemory: what a cluster on one machine will take, so that one that can't fit is refused
// before anything starts.
//
// Weights lie in the page cache once, in the form that the numeric mode multiplies; each instance
// has a pool; each rank has its process and buffers, which follow from the rows of a step. Thread
// safety: pure functions.
#pragma once

#include <cstdint>
#include <span>

#include "base/result.h"
#include "deploy/up_options.h"
#include "model/checkpoint/summary.h"

namespace baton::deploy {

struct ClusterMemory {
  uint64_t weights = 0;
  uint64_t instances = 0;
  uint64_t pool = 0;  // of one instance
  uint64_t ranks = 0;
  uint64_t processes = 0;  // of all ranks: programs and buffers
  uint64_t kvstores = 0;   // their pages in memory

  double total() const;  // bytes; no overflow
};

// The layouts are those of options.prefill and options.decode, and divide the model.
ClusterMemory cluster_memory(const UpOptions& options, const checkpoint::Summary& summary,
                             std::span<const parallel::Layout> layouts);

// One sentence with the parts if it is more than `there` bytes.
Result<void> check_fits(const ClusterMemory& memory, uint64_t there);

}  // namespace baton::deploy
