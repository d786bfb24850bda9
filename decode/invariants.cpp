#include "decode/invariants.h"

#include <fmt/format.h>

#include <map>

#include "kvcache/invariants.h"

namespace baton::decode {

// Every page that is not free is held as often as it has references: by sequences, by sequences
// that the step in flight still reads, by requests that wait, or by a hand-off.
static std::optional<std::string> broken_pages(const kvcache::PagePool& pool,
                                               const std::map<PageId, uint32_t>& held) {
  uint32_t not_free = 0;
  for (const auto& [page, count] : held) {
    ++not_free;
    if (pool.state(page) == kvcache::PageState::free)
      return fmt::format("page {} is free and yet held", page.value);
    if (pool.references(page) != count)
      return fmt::format("page {} has {} references and {} holders", page.value,
                         pool.references(page), count);
  }
  const PageCounts& pages = pool.counts();
  if (not_free + pages.free + pages.cached != pages.total)
    return fmt::format("{} pages are held by nobody",
                       pages.total - pages.free - pages.cached - not_free);
  return std::nullopt;
}

std::optional<std::string> broken_invariant(const DecodeState& state) {
  const kvcache::PagePool& pool = state.pool();
  if (auto broken = kvcache::broken_invariant(state.cache_)) return broken;
  if (auto broken = kvcache::broken_invariant(pool, state.receiver_)) return broken;

  std::map<PageId, uint32_t> held;
  const auto hold = [&held](const std::vector<PageId>& pages) {
    for (const PageId page : pages) ++held[page];
  };
  std::map<RequestId, uint32_t> running;
  for (const auto& sequence : state.batch_.sequences()) {
    hold(sequence->pages);
    ++running[sequence->request];
    const uint64_t cells = uint64_t{kPageTokens} * sequence->pages.size();
    if (state.batch_.in_flight() && cells < sequence->cached)
      return "a running sequence has more entries than its pages hold";
    for (const PageId page : sequence->pages)
      if (pool.state(page) != kvcache::PageState::in_use)
        return "a running sequence has a page that is not in use";
  }
  hold(state.batch_.held_pages());
  hold(state.cache_.pinned());

  size_t receiving = 0;
  for (const auto& [id, job] : state.handoffs_.jobs_) {
    hold(job.growth);
    hold(job.kept);
    const auto* pages = state.receiver_.pages(id);
    const bool open = job.phase != Handoffs::Phase::queued;
    if (open != (pages != nullptr)) return "a job receives without a session, or has one too early";
    receiving += open ? 1 : 0;
    if (pages)
      for (const ReservedPage& page : *pages) ++held[page.page];
    if (job.ended) {
      if (!job.reading) return "a job has ended and nothing reads it";
      continue;
    }
    const auto request = state.requests_.find(job.request);
    if (request == state.requests_.end() || request->second.phase != DecodeState::Phase::at_prefill)
      return "a job works for a request that does not wait for it";
  }
  if (receiving != state.receiver_.open_sessions()) return "a session is open that has no job";

  uint32_t at_prefill = 0;
  for (const auto& [id, request] : state.requests_) {
    hold(request.prompt_pages);
    hold(request.growth_pages);
    at_prefill += request.phase == DecodeState::Phase::at_prefill ? 1 : 0;
    const uint32_t sequences = running.contains(id) ? running.at(id) : 0;
    const bool runs = request.phase == DecodeState::Phase::running;
    const bool fills = request.phase == DecodeState::Phase::filling;
    if (sequences != (runs ? request.open_choices : fills ? 1 : 0))
      return fmt::format("request {} has {} sequences in the batch", id.value, sequences);
    if (runs && request.open_choices == 0)
      return fmt::format("request {} runs and has nothing to say", id.value);
    if (request.deadline < state.next_wake_ && request.deadline > state.now_)
      return fmt::format("request {} has a deadline that nobody looks at", id.value);
  }
  if (at_prefill != state.handoffs_.size()) return "a request waits for a job that is not there";
  if (auto broken = broken_pages(pool, held)) return broken;

  const DecodeCounts& counts = state.counts_;
  if (counts.accepted != counts.finished + counts.cancelled + counts.given_up + state.live())
    return "not every request that was accepted is live or has ended exactly once";
  if (state.live() > state.setup_.limits.requests_max) return "more requests than the limit";
  if (state.places_used() > state.setup_.limits.places())
    return "more choices run than the batch has places";
  return std::nullopt;
}

}  // namespace baton::decode
