#include "prefill/invariants.h"

#include <fmt/format.h>

#include <set>

#include "kvcache/invariants.h"

namespace baton::prefill {

std::optional<std::string> broken_invariant(const PrefillState& state) {
  if (auto broken = kvcache::broken_invariant(state.pool_)) return broken;
  const PrefillCounts& counts = state.counts_;
  std::set<PageId> held;
  uint64_t live = 0;
  for (const auto& [id, job] : state.jobs_) {
    live += job.ended ? 0 : 1;
    if (job.order.job != id) return "a job is filed under another's id";
    if (job.ended && !job.in_step && !job.digesting)
      return fmt::format("job {} has ended, nothing reads its pages, and it is still there",
                         id.value);
    const bool holds = job.phase != JobPhase::queued;
    if (holds != !job.pages.empty())
      return fmt::format("job {} holds pages outside the window, or none inside", id.value);
    if (!job.pages.empty() && job.pages.size() != pages_for(job.entries()))
      return fmt::format("job {} holds another number of pages than it needs", id.value);
    for (const PageId page : job.pages) {
      if (!held.insert(page).second) return "two jobs hold one page";
      if (state.pool_.state(page) != kvcache::PageState::filling)
        return "a job's page is not filling";
    }
    if (job.computed > job.entries()) return "a job has computed more than its prompt";
    const bool after_reserve = job.phase != JobPhase::queued && job.phase != JobPhase::reserving;
    if (after_reserve != job.sender.has_value())
      return fmt::format("job {} computes without a reservation, or has one too early", id.value);
    const bool waits = !job.ended && job.wake != Instant::max() && job.wake > state.now_;
    if (waits && job.wake < state.next_wake_)
      return fmt::format("job {} has a deadline that nobody looks at", id.value);
    if (!job.ended && job.deadline < state.next_wake_ && job.deadline > state.now_)
      return fmt::format("job {} has an end that nobody looks at", id.value);
  }
  if (held.size() != state.pool_.counts().filling) return "a page is held by no job";
  if (counts.accepted != counts.committed + counts.aborted + live)
    return "not every job that was accepted is live, committed or aborted";
  if (state.jobs_.size() > state.setup_.limits.jobs_max) return "more jobs than the limit";
  for (const Chunk& chunk : state.flight_)
    if (!state.jobs_.contains(chunk.job)) return "the step in flight reads a job that is not there";
  if (state.tombstones_.size() != state.tombstone_ends_.size())
    return "the tombstones and their ends differ in number";
  return std::nullopt;
}

}  // namespace baton::prefill
