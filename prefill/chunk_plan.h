// ChunkPlan: which rows of which jobs the next step computes.
//
// Jobs are served in the order in which they are given; a step holds, for each DP group, at most
// `rows_max` rows of at most `sequences_max` of its jobs. A long prompt is cut into chunks; where
// it is cut changes nothing but the time (README, "Same request, same bytes"). A job whose next
// page is computed in this step for one before it, of the same prefix, waits for that page instead
// of computing the same. Pure function.
#pragma once

#include <cstdint>
#include <vector>

#include "prefill/job.h"

namespace baton::prefill {

struct Chunk {
  JobId job;
  uint32_t first = 0;
  uint32_t rows = 0;
  friend bool operator==(const Chunk&, const Chunk&) = default;
};

// Only jobs that compute, have not ended and wait for no kvstore are looked at.
std::vector<Chunk> plan_chunks(const std::vector<const Job*>& jobs, uint32_t rows_max,
                               uint32_t sequences_max, uint32_t groups);

}  // namespace baton::prefill
