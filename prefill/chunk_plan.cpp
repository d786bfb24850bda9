#include "prefill/chunk_plan.h"

#include <algorithm>
#include <tuple>

namespace baton::prefill {

std::vector<Chunk> plan_chunks(const std::vector<const Job*>& jobs, uint32_t rows_max,
                               uint32_t sequences_max, uint32_t groups) {
  std::vector<const Job*> ready;
  for (const Job* job : jobs)
    if (job->phase == JobPhase::computing && !job->ended) ready.push_back(job);
  std::sort(ready.begin(), ready.end(), [](const Job* a, const Job* b) {
    return std::tie(a->order.priority, a->arrival) < std::tie(b->order.priority, b->arrival);
  });

  struct Room {
    uint32_t rows, jobs;
  };
  std::vector<Room> rooms(groups, {rows_max, sequences_max});
  std::vector<Chunk> chunks;
  for (const Job* job : ready) {
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
