// ChunkPlan: which rows of which jobs the next step computes, and which blocks that completes.
//
// Jobs are served in the order of priority, then arrival; a step holds at most `rows_max` rows of
// at most `sequences_max` jobs. A long prompt is cut into chunks; where it is cut changes nothing
// but the time (README, "Same request, same bytes"). Pure functions.
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

// `jobs` in any order; only those that compute and have not ended are looked at.
std::vector<Chunk> plan_chunks(const std::vector<const Job*>& jobs, uint32_t rows_max,
                               uint32_t sequences_max);

// The pages (indices) that are complete once entries first..end-1 of `total` are there, and were
// not before: a page is complete when all its entries are, the last page with the last entry.
struct PageRange {
  uint32_t first = 0;
  uint32_t end = 0;
  friend bool operator==(const PageRange&, const PageRange&) = default;
};
PageRange pages_completed(uint32_t first, uint32_t end, uint32_t total);

}  // namespace baton::prefill
