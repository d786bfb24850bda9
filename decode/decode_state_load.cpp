// DecodeState: what it bears, and what it tells the scheduler of it.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "decode/decode_state.h"
#include "kvcache/pool_report.h"

namespace baton::decode {

// Pages that requests will ask for count as reserved already, so that nobody else is sent here for
// them.
size_t DecodeState::without_pages() const {
  const auto waits = [](const auto& entry) { return entry.second.phase == Phase::wants_pages; };
  return handoffs_.queued() + static_cast<size_t>(std::ranges::count_if(requests_, waits));
}

Load DecodeState::load() const {
  Load load;
  uint64_t promised = handoffs_.promised_pages();
  for (const auto& [id, request] : requests_) {
    const bool runs = request.phase == Phase::running || request.phase == Phase::filling;
    ++(runs ? load.running : load.waiting);
    if (request.phase == Phase::wants_pages) promised += request.need.total();
  }
  load.running_max = setup_.limits.requests_max;
  load.queued_tokens = batch_.rows_waiting();
  load.pages = pool().counts();
  for (uint32_t* from : {&load.pages.free, &load.pages.cached}) {
    const auto moved = static_cast<uint32_t>(std::min<uint64_t>(promised, *from));
    *from -= moved;
    load.pages.reserved += moved;
    promised -= moved;
  }
  return load;
}

void DecodeState::beat() {
  const DecodeLimits& limits = setup_.limits;
  if (last_beat_ &&
      now_ < *last_beat_ + (beat_due_ ? limits.beat_interval_min : limits.beat_interval))
    return;
  beat_due_ = false;
  last_beat_ = now_;
  Beat beat{load(), draining_, {}, std::nullopt, std::nullopt};
  for (const auto& [id, request] : requests_) beat.accepted.emplace_back(id, request.state.attempt);
  if (cache_.enabled() && now_ >= news_due_) {
    beat.prefixes = news_.next(cache_.index());
    news_due_ = now_ + limits.beat_interval;
  }
  if (now_ >= report_due_) {
    beat.pool = pool_report();
    report_due_ = now_ + limits.report_interval;
  }
  actions_.push_back(std::move(beat));
}

// A page that choices share counts for each.
PoolReport DecodeState::pool_report() const {
  kvcache::PoolTally tally(now_);
  for (const auto& sequence : batch_.sequences())
    if (const auto found = requests_.find(sequence->request); found != requests_.end())
      tally.holds(found->second.state.tenant, sequence->pages.size());
  uint32_t in_flight = 0;
  for (const auto& [id, request] : requests_) {
    const Handoffs::Holding holding = handoffs_.holding(id);
    in_flight += holding.in_flight;
    tally.holds(request.state.tenant,
                request.prompt_pages.size() + request.growth_pages.size() + holding.pages);
    const char* what = nullptr;
    if (request.phase == Phase::compiling) what = "the form of its answer";
    if (request.phase == Phase::at_prefill) what = holding.pages > 0 ? "frames" : "its prefill";
    if (request.phase == Phase::wants_pages) what = "pages";
    if (request.phase == Phase::waiting) what = "a place in the batch";
    if (!what) continue;
    const Instant limit = request.phase == Phase::wants_pages
                              ? request.phase_since + setup_.limits.pages_wait_max
                              : request.deadline;
    tally.waits(fmt::format("request {:016x} waits for {}", id.value, what), request.phase_since,
                std::min(limit, request.deadline));
  }
  return tally.report(in_flight, cache_.pinned().size());
}

}  // namespace baton::decode
