#include "prefill/invariants.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "kvcache/prefix/prefix_cache.h"
#include "prefill/job_pages.h"

namespace baton::prefill {

namespace {

// Pages that are complete and listed, then those that are not, each of one job alone.
std::optional<std::string> broken_pages(const Job& job, const kvcache::PrefixCache& cache) {
  if (job.computed > job.entries()) return "a job has computed more than its prompt";
  if (job.listed.size() > job.pages.size()) return "a job has more complete pages than pages";
  for (uint32_t i = 0; i < job.pages.size(); ++i) {
    const bool complete = i < job.listed.size();
    const auto wanted = complete ? kvcache::PageState::in_use : kvcache::PageState::filling;
    if (cache.pool().state(job.pages[i]) != wanted)
      return fmt::format("page {} of job {} is {}", i, job.order.job.value,
                         kvcache::to_string(cache.pool().state(job.pages[i])));
    if (complete != (job.computed >= std::min((i + 1) * kPageTokens, job.entries())))
      return fmt::format("job {} has computed {} tokens and {} pages", job.order.job.value,
                         job.computed, job.listed.size());
    if (complete && cache.enabled() && cache.index().find(*name_of_page(job, i)) != job.listed[i])
      return fmt::format("page {} of job {} is not found by its name", i, job.order.job.value);
  }
  return std::nullopt;
}

// A job that waits for the kvstore is in the window, computes nothing, and has a deadline.
std::optional<std::string> broken_visit(const Job& job, Instant now, Instant next_wake) {
  const StoreVisit& store = job.store;
  if (store.phase == StorePhase::none) return std::nullopt;
  const auto id = job.order.job.value;
  if (job.ended || job.in_step || job.digesting || job.pages.empty())
    return fmt::format("job {} waits for the kvstore outside its time", id);
  if (store.phase == StorePhase::reading && job.computed / kPageTokens != store.first)
    return fmt::format("job {} reads another page than its next", id);
  if (store.deadline > now && store.deadline < next_wake)
    return fmt::format("job {} waits for the kvstore and nobody looks when it is late", id);
  return std::nullopt;
}

}  // namespace

std::optional<std::string> broken_invariant(const PrefillState& state) {
  if (auto broken = kvcache::broken_invariant(state.cache_)) return broken;
  const PrefillCounts& counts = state.counts_;
  std::map<PageId, uint32_t> held;  // by how many jobs
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
    if (auto broken = broken_pages(job, state.cache_)) return broken;
    for (size_t i = 0; i < job.pages.size(); ++i) {
      ++held[job.pages[i]];
      if (i < job.listed.size() && job.listed[i] != job.pages[i]) ++held[job.listed[i]];
    }
    const bool after_reserve = job.phase != JobPhase::queued && job.phase != JobPhase::reserving;
    if (after_reserve != job.sender.has_value())
      return fmt::format("job {} computes without a reservation, or has one too early", id.value);
    if (auto broken = broken_visit(job, state.now_, state.next_wake_)) return broken;
    const bool waits = !job.ended && job.wake != Instant::max() && job.wake > state.now_;
    if (waits && job.wake < state.next_wake_)
      return fmt::format("job {} has a deadline that nobody looks at", id.value);
    if (!job.ended && job.deadline < state.next_wake_ && job.deadline > state.now_)
      return fmt::format("job {} has an end that nobody looks at", id.value);
  }
  size_t keeps = 0;
  for (const auto& batch : state.keeps_) {
    keeps += batch.pages.size();
    for (const PageId page : batch.held) ++held[page];
  }
  for (const PageId page : state.cache_.pinned()) ++held[page];
  if (keeps > state.setup_.limits.keep_pages_max) return "too many pages wait for the kvstore";
  if (state.keeps_holding() > state.setup_.pages / state.setup_.limits.keep_share)
    return "what waits for the kvstore holds too much of the pool";
  if (state.keeping_ != !state.keeps_.empty())
    return "pages wait for the kvstore and none is written";
  const PageCounts& pages = state.pool().counts();
  if (held.size() != pages.filling + pages.in_use)
    return "a page is held by no job, and not for the kvstore";
  for (const auto& [page, jobs] : held)
    if (state.pool().references(page) != jobs)
      return fmt::format("page {} has {} references, and {} holders", page.value,
                         state.pool().references(page), jobs);
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
