#include "prefill/chunk_plan.h"

#include <algorithm>

namespace baton::prefill {

std::vector<Chunk> plan_chunks(const std::vector<const Job*>& jobs, uint32_t rows_max,
                               uint32_t sequences_max, uint32_t groups) {
  struct Room {
    uint32_t rows, jobs;
  };
  std::vector<Room> rooms(groups, {rows_max, sequences_max});
  std::vector<Chunk> chunks;
  for (const Job* job : jobs) {
    if (job->phase != JobPhase::computing || job->ended) continue;
    Room& room = rooms[job->group];
    const uint32_t rows = std::min(room.rows, job->entries() - job->computed);
    if (rows == 0 || room.jobs == 0) continue;
    chunks.push_back({job->order.job, job->computed, rows});
    room.rows -= rows;
    --room.jobs;
  }
  return chunks;
}

}  // namespace baton::prefill
