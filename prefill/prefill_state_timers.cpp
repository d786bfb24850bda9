// What PrefillState does when it is time: deadlines, signs of life, heartbeats.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "kvcache/pool_report.h"
#include "prefill/prefill_state.h"

namespace baton::prefill {

std::optional<Instant> PrefillState::next_deadline() const {
  if (!last_beat_) return Instant{};  // at once: the first heartbeat is due
  Instant next = next_wake_;
  next = std::min(next, *last_beat_ + (beat_due_ ? setup_.limits.beat_interval_min
                                                 : setup_.limits.beat_interval));
  return next;
}

void PrefillState::run_timers() {
  if (now_ < next_wake_) return;
  next_wake_ = Instant::max();
  while (!tombstone_ends_.empty() && tombstone_ends_.front().first <= now_) {
    tombstones_.erase(tombstone_ends_.front().second);
    tombstone_ends_.pop_front();
  }
  run_store_timers();
  std::vector<JobId> due;
  for (const auto& [id, job] : jobs_)
    if (!job.ended && (now_ >= job.deadline || now_ >= job.wake || now_ >= drain_end_))
      due.push_back(id);
  for (const JobId id : due) wake(jobs_.find(id));

  if (!jobs_.empty() && now_ >= next_alive_) {
    next_alive_ = now_ + setup_.limits.alive_interval;
    for (const auto& [id, job] : jobs_)
      if (!job.ended) actions_.push_back(TellDecode{job.link, JobAlive{id, job.computed}});
  }
  for (const auto& [id, job] : jobs_) {
    if (job.ended) continue;
    arm(job.deadline);
    arm(job.store.deadline);
    if (job.wake > now_) arm(job.wake);  // a due queued job waits for room, not for time
  }
  if (!jobs_.empty()) arm(next_alive_);
  if (!tombstone_ends_.empty()) arm(tombstone_ends_.front().first);
  if (draining_ && now_ < drain_end_) arm(drain_end_);
}

void PrefillState::wake(Map::iterator it) {
  Job& job = it->second;
  if (now_ >= job.deadline) return abort(it, "the job's time is over", true);
  if (now_ >= drain_end_) return abort(it, "this prefill instance is going", true);
  switch (job.phase) {
    case JobPhase::queued:
    case JobPhase::computing:
      break;
    case JobPhase::reserving:
      leave_window(job, {});
      break;
    case JobPhase::posted:
      abort(it, "the frames could not be written in time", true);
      break;
    case JobPhase::sealed:
      if (now_ >= job.sealed_at + setup_.limits.commit_max)
        abort(it, "decode neither committed nor asked for frames in time", true);
      else
        seal(job);
      break;
  }
}

size_t PrefillState::jobs_unreserved() const {
  return static_cast<size_t>(std::ranges::count_if(jobs_, [](const auto& entry) {
    const Job& job = entry.second;
    return !job.ended && (job.phase == JobPhase::queued || job.phase == JobPhase::reserving);
  }));
}

size_t PrefillState::jobs_in_flight() const {
  return static_cast<size_t>(std::ranges::count_if(jobs_, [](const auto& entry) {
    const Job& job = entry.second;
    return !job.ended && (job.phase == JobPhase::posted || job.phase == JobPhase::sealed);
  }));
}

Load PrefillState::load() const {
  Load load;
  load.running = in_window();
  load.waiting = static_cast<uint32_t>(jobs_.size()) - load.running;
  load.running_max = setup_.limits.jobs_max;
  for (const auto& [id, job] : jobs_)
    if (!job.ended) load.queued_tokens += job.entries() - job.computed;
  load.pages = pool().counts();
  return load;
}

void PrefillState::on(const SchedulerSaw& saw) {
  news_.seen(saw.position);
  news_due_ = now_;
}

void PrefillState::beat() {
  const PrefillLimits& limits = setup_.limits;
  if (last_beat_ &&
      now_ < *last_beat_ + (beat_due_ ? limits.beat_interval_min : limits.beat_interval))
    return;
  beat_due_ = false;
  last_beat_ = now_;
  Beat beat{load(), draining_, std::exchange(ended_, {}), std::nullopt, std::nullopt};
  for (const auto& [id, job] : jobs_)
    if (!job.ended) beat.accepted.emplace_back(job.order.request, job.order.attempt);
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

PoolReport PrefillState::pool_report() const {
  kvcache::PoolTally tally(now_);
  uint32_t in_flight = 0;
  for (const auto& [_, entry] : jobs_) {
    const Job& job = entry;
    tally.holds(job.order.tenant, job.pages.size());
    if (job.sender) in_flight += static_cast<uint32_t>(job.sender->sent().size());
    if (job.ended) continue;
    const auto waits = [&](const char* what, Instant since, Instant deadline) {
      tally.waits(fmt::format("request {:016x} {}", job.order.request.value, what), since,
                  std::min(deadline, job.deadline));
    };
    if (job.store.phase != StorePhase::none)
      waits("waits for the kvstore", job.store.begun, job.store.deadline);
    switch (job.phase) {
      case JobPhase::queued:
        waits("waits for a place in the window", job.accepted, job.deadline);
        break;
      case JobPhase::reserving:
        waits("waits for pages at decode", job.wake - setup_.limits.reserve_timeout, job.wake);
        break;
      case JobPhase::computing:
        break;
      case JobPhase::posted:
        waits("waits for its frames to be written", job.posted_at, job.wake);
        break;
      case JobPhase::sealed:
        waits("waits for decode's commit", job.sealed_at, job.sealed_at + setup_.limits.commit_max);
        break;
    }
  }
  return tally.report(in_flight, cache_.pinned().size());
}

}  // namespace baton::prefill
