#include "prefill/chunk_plan.h"

#include <algorithm>
#include <set>

#include "prefill/job_pages.h"

namespace baton::prefill {

std::vector<Chunk> plan_chunks(const std::vector<const Job*>& jobs, uint32_t rows_max,
                               uint32_t sequences_max, uint32_t groups) {
  struct Room {
    uint32_t rows, jobs;
  };
  std::vector<Room> rooms(groups, {rows_max, sequences_max});
  std::vector<Chunk> chunks;
  std::set<kvcache::PageName> computed;  // in this step, at least in part
  for (const Job* job : jobs) {
    if (job->phase != JobPhase::computing || job->ended) continue;
    if (job->store.phase != StorePhase::none) continue;  // its next pages may come from there
    Room& room = rooms[job->group];
    const uint32_t rows = std::min(room.rows, job->entries() - job->computed);
    if (rows == 0 || room.jobs == 0) continue;
    const uint32_t page = job->computed / kPageTokens;
    const kvcache::PageName* next = name_of_page(*job, page);
    if (job->reads_cache && job->computed % kPageTokens == 0 && next && computed.contains(*next))
      continue;
    for (uint32_t p = page; p * kPageTokens < job->computed + rows; ++p)
      if (const auto* name = name_of_page(*job, p)) computed.insert(*name);
    chunks.push_back({job->order.job, job->computed, rows});
    room.rows -= rows;
    --room.jobs;
  }
  return chunks;
}

}  // namespace baton::prefill
