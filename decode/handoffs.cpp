#include "decode/handoffs.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace baton::decode {

Handoffs::Handoffs(const DecodeLimits& limits, kvcache::PrefixCache& cache,
                   kvcache::HandoffReceiver& receiver, std::string frame_address, Duration lease,
                   DrawId draw)
    : limits_(limits),
      cache_(cache),
      receiver_(receiver),
      frame_address_(std::move(frame_address)),
      lease_(lease),
      draw_(std::move(draw)) {}

void Handoffs::start(const RequestState& request, const Peer& prefill, Duration time_left,
                     std::vector<kvcache::PageName> names, Instant now) {
  check(!by_request_.contains(request.id), "a request has two jobs at once");
  JobId id;
  do {
    id = JobId{draw_()};
  } while (jobs_.contains(id) || receiver_.has_tombstone(id));
  Job job;
  job.request = request.id;
  job.prefill = prefill;
  job.tokens = static_cast<uint32_t>(request.prompt.size()) - 1;
  job.need = page_need(request, limits_);
  job.names = std::move(names);
  if (job.names.size() >= job.need.prompt) job.names.resize(job.need.prompt - 1);
  job.number = jobs_begun_++;
  job.wants_scores = request.report.prompt_logprobs.has_value();
  job.heard = now;
  actions_.push_back(TellPrefill{
      prefill, PrefillJob{prefill.incarnation, id, request.id, request.attempt, request.prompt,
                          request.tenant, request.cache_salt, request.priority, time_left,
                          request.report.prompt_logprobs}});
  jobs_.emplace(id, std::move(job));
  by_request_.emplace(request.id, id);
}

void Handoffs::cancel(RequestId request, const std::string& reason, Instant now) {
  const auto found = by_request_.find(request);
  if (found == by_request_.end()) return;
  const JobId id = found->second;
  Job& job = jobs_.at(id);
  actions_.push_back(TellPrefill{job.prefill, Abort{id, reason}});
  release(id, job, now);
}

// ---- what prefill says -------------------------------------------------------------------------

void Handoffs::on(const PrefillSaid& said, Instant now) {
  std::visit([&](const auto& m) { message(said.from, m, now); }, said.message);
}

// A job that is not there, or is another's, is ended at whoever speaks of it.
Handoffs::Job* Handoffs::known(const Peer& from, JobId id) {
  const auto found = jobs_.find(id);
  if (found != jobs_.end() && !found->second.ended &&
      found->second.prefill.incarnation == from.incarnation)
    return &found->second;
  actions_.push_back(TellPrefill{from, Abort{id, "decode has no such job"}});
  return nullptr;
}

void Handoffs::message(const Peer& from, const Reserve& asked, Instant now) {
  Job* job = known(from, asked.job);
  if (!job) return;
  job->heard = now;
  if (job->phase != Phase::queued) {  // asked twice: the answer may have been lost
    answer(asked.job, *job);
    return;
  }
  if (asked.pages != job->need.prompt) {
    lose(
        asked.job, GiveUp::place_again, true, true,
        fmt::format("prefill asks for {} pages where {} are needed", asked.pages, job->need.prompt),
        now);
    return;
  }
  reserve(asked.job, *job, now);
}

void Handoffs::reserve(JobId id, Job& job, Instant now) {
  job.asked = now;
  const auto known = cache_.known(job.names);
  const uint64_t own = job.need.total() - known.pages;
  if (cache_.room() - known.idle < own + claimed_before(job, now)) {
    refuse(id, job);
    return;
  }
  job.kept = cache_.take(std::span(job.names).first(known.pages));
  cache_.make_room(sent_pages(job));
  const uint32_t tokens = job.tokens - known.pages * kPageTokens;
  const auto session = receiver_.open(id, SessionId{draw_(), draw_()}, tokens, now);
  check(session.has_value(), "a session can't be opened though there is room for it");
  job.session = *session;
  const auto growth = cache_.allocate(job.need.growth, kvcache::PageState::reserved);
  check(growth.has_value(), "pages that were counted as free are not");
  for (const ReservedPage& page : *growth) job.growth.push_back(page.page);
  job.phase = Phase::receiving;
  job.refused_last = false;
  job.reserved = job.landed = now;
  answer(id, job);
}

uint32_t Handoffs::sent_pages(const Job& job) const {
  return job.need.prompt - static_cast<uint32_t>(job.kept.size());
}

// Pages that are kept for older jobs that were refused again and again and still ask: smaller ones
// that come later must not take the room away from under them for ever.
uint64_t Handoffs::claimed_before(const Job& job, Instant now) const {
  uint64_t pages = 0;
  for (const auto& [id, other] : jobs_) {
    if (other.phase == Phase::queued && !other.ended && other.number < job.number &&
        other.refusals >= limits_.refusals_before_claim &&
        now < other.asked + 2 * limits_.not_before_max) {
      pages += other.need.total();
    }
  }
  return pages;
}

bool Handoffs::holds_pages(RequestId request) const {
  const auto found = by_request_.find(request);
  return found != by_request_.end() && jobs_.at(found->second).phase != Phase::queued;
}

Handoffs::Holding Handoffs::holding(RequestId request) const {
  const auto found = by_request_.find(request);
  if (found == by_request_.end()) return {};
  const Job& job = jobs_.at(found->second);
  const auto* session = receiver_.pages(found->second);
  const auto in_flight = session ? static_cast<uint32_t>(session->size()) : 0;
  return {in_flight + static_cast<uint32_t>(job.kept.size() + job.growth.size()), in_flight};
}

void Handoffs::answer(JobId id, const Job& job) {
  actions_.push_back(
      TellPrefill{job.prefill, Reserved{id, job.session, *receiver_.pages(id), frame_address_,
                                        lease_, static_cast<uint32_t>(job.kept.size())}});
}

void Handoffs::refuse(JobId id, Job& job) {
  const uint32_t doublings = std::min(job.refusals, 10u);
  const Duration delay = std::min(limits_.not_before * (1 << doublings), limits_.not_before_max);
  ++job.refusals;
  job.refused_last = true;
  actions_.push_back(TellPrefill{job.prefill, NotBefore{id, delay}});
}

void Handoffs::message(const Peer& from, const Seal& seal, Instant now) {
  Job* job = known(from, seal.job);
  if (!job || job->phase == Phase::queued || job->phase == Phase::digesting) return;
  if (seal.session != job->session) return;
  job->heard = now;
  if (seal.pages.size() < sent_pages(*job)) {
    if (job->phase != Phase::receiving || seal.pages.size() <= job->digests.size()) return;
    job->digests = seal.pages;
    compare_so_far(seal.job, *job);
    return;
  }
  if (seal.pages.size() > sent_pages(*job)) {
    lose(seal.job, GiveUp::place_again, true, true, "prefill sealed another number of pages", now);
    return;
  }
  if (job->wants_scores && job->scored != job->tokens) {
    lose(seal.job, GiveUp::place_again, true, true, "prefill sealed without all scores", now);
    return;
  }
  uint32_t same = 0;  // the last word counts
  while (same < job->agreed && seal.pages[same] == job->digests[same]) ++same;
  job->agreed = same;
  job->digests = seal.pages;
  job->cached = std::min(seal.cached, job->tokens);
  job->fetched = std::min(seal.fetched, job->cached);
  job->kvstore = seal.kvstore;
  if (job->phase == Phase::sealed) return;  // sealed again; what is missing is asked for in time
  job->phase = Phase::sealed;
  job->resend_at = now + limits_.resend_after;
  compare(seal.job, *job, now);
}

void Handoffs::message(const Peer& from, const PromptScores& scores, Instant now) {
  Job* job = known(from, scores.job);
  if (!job || !job->wants_scores || job->phase != Phase::receiving) return;
  job->heard = now;
  receiver_.renew(scores.job, now);
  const PromptScoreRun& run = scores.scores;
  if (run.first != job->scored + 1 || run.scores.size() > job->tokens - job->scored) {
    lose(scores.job, GiveUp::place_again, true, true, "prefill's scores have a gap", now);
    return;
  }
  job->scored += static_cast<uint32_t>(run.scores.size());
  scored_.push_back({job->request, run});
}

void Handoffs::message(const Peer& from, const JobAlive& alive, Instant now) {
  Job* job = known(from, alive.job);
  if (!job) return;
  job->heard = now;
  receiver_.renew(alive.job, now);
}

void Handoffs::message(const Peer& from, const Abort& abort, Instant now) {
  const auto found = jobs_.find(abort.job);
  if (found == jobs_.end() || found->second.ended ||
      found->second.prefill.incarnation != from.incarnation)
    return;
  const bool full = found->second.refused_last;  // it gave up because there is no room here
  lose(abort.job, full ? GiveUp::full : GiveUp::place_again, !full, false,
       full ? "no pages are free here" : "prefill gave the job up: " + abort.reason, now);
}

void Handoffs::on(const PrefillDown& down, Instant now) {
  std::vector<JobId> lost;
  for (const auto& [id, job] : jobs_)
    if (!job.ended && job.prefill.incarnation == down.prefill) lost.push_back(id);
  for (const JobId id : lost)
    lose(id, GiveUp::place_again, true, false, "the prefill instance was lost", now);
}

// ---- frames and digests ------------------------------------------------------------------------

void Handoffs::on(const FrameLanded& landed, Instant now) {
  const auto id = receiver_.job_of(landed.session);
  if (!id) return;
  const auto found = jobs_.find(*id);
  if (found == jobs_.end()) return;
  Job& job = found->second;
  job.heard = job.landed = now;
  if (job.phase == Phase::receiving) return compare_so_far(*id, job);
  if (job.phase != Phase::sealed) return;
  // While frames land nothing is asked for: what is missing may be right behind.
  job.resends = 0;
  job.resend_at = now + limits_.resend_after;
  compare(*id, job, now);
}

// All pages that have not agreed yet, once nothing is missing.
void Handoffs::compare(JobId id, Job& job, Instant now) {
  if (job.reading || !receiver_.complete(id)) return;
  job.phase = Phase::digesting;
  job.resend_at = now + limits_.digest_max;
  read(id, job, sent_pages(job));
}

// Those that prefill said are final, once they have all come.
void Handoffs::compare_so_far(JobId id, Job& job) {
  const auto end = static_cast<uint32_t>(job.digests.size());
  if (!job.reading && end > job.agreed && receiver_.whole_pages(id) >= end) read(id, job, end);
}

void Handoffs::read(JobId id, Job& job, uint32_t end) {
  job.reading = true;
  job.read_from = job.agreed;
  job.read = end - job.agreed;
  std::vector<PageId> pages;
  const auto& all = *receiver_.pages(id);
  for (uint32_t i = job.agreed; i < end; ++i) pages.push_back(all[i].page);
  const uint32_t tokens = std::min(receiver_.tokens(id), end * kPageTokens);
  actions_.push_back(DigestPages{id, std::move(pages), tokens - job.agreed * kPageTokens});
}

void Handoffs::on(const Digested& digested, Instant now) {
  const auto found = jobs_.find(digested.job);
  if (found == jobs_.end() || !found->second.reading) return;
  const JobId id = digested.job;
  Job& job = found->second;
  job.reading = false;
  if (job.ended) {
    free(id, job, now);
    return;
  }
  check(digested.pages.size() == job.read, "another number of digests than pages");
  bool agree = true;
  for (uint32_t i = 0; i < job.read; ++i) {
    const uint32_t page = job.read_from + i;
    if (digested.pages[i] != job.digests[page]) {
      receiver_.distrust(id, page);
      agree = false;
    } else if (page == job.agreed) {
      ++job.agreed;
    }
  }
  if (job.phase == Phase::receiving) return compare_so_far(id, job);
  if (job.phase == Phase::sealed) return compare(id, job, now);  // that came meanwhile
  if (!agree) {
    job.phase = Phase::sealed;
    if (++job.disagreements > limits_.resends_max)
      lose(id, GiveUp::place_again, true, true, "the digests of its pages kept on differing", now);
    else
      ask_again(id, job, now);
    return;
  }
  const auto kept = static_cast<uint32_t>(job.kept.size());
  for (const PageId page : receiver_.commit(id, now)) job.kept.push_back(page);
  Done done{job.request, std::move(job.kept), std::move(job.growth),  job.reserved, job.landed,
            job.cached,  job.fetched,         std::move(job.kvstore), kept};
  actions_.push_back(TellPrefill{job.prefill, Commit{id, job.session}});
  done_.push_back(std::move(done));
  by_request_.erase(job.request);
  jobs_.erase(found);
}

void Handoffs::ask_again(JobId id, Job& job, Instant now) {
  if (++job.resends > limits_.resends_max) {
    lose(id, GiveUp::place_again, true, true,
         fmt::format("none of the missing frames came, asked for {} times", limits_.resends_max),
         now);
    return;
  }
  job.resend_at = now + limits_.resend_after;
  actions_.push_back(TellPrefill{
      job.prefill, Resend{id, job.session, receiver_.missing(id, limits_.resend_frames_max)}});
}

// ---- the end of a job, and time ----------------------------------------------------------------

void Handoffs::lose(JobId id, GiveUp why, bool blame, bool tell, const std::string& reason,
                    Instant now) {
  Job& job = jobs_.at(id);
  if (tell) actions_.push_back(TellPrefill{job.prefill, Abort{id, reason}});
  Lost lost{job.request, why, std::nullopt, fmt::format("{}: {}", job.prefill.name, reason)};
  if (blame) lost.blame = job.prefill.incarnation;
  lost.kept = static_cast<uint32_t>(job.kept.size());
  lost_.push_back(std::move(lost));
  release(id, job, now);
}

void Handoffs::release(JobId id, Job& job, Instant now) {
  by_request_.erase(job.request);
  job.ended = true;
  if (!job.reading) free(id, job, now);
}

void Handoffs::free(JobId id, Job& job, Instant now) {
  salvage(id, job, now);
  receiver_.abort(id, now);  // leaves a tombstone, whatever was kept
  cache_.release(job.growth);
  cache_.release(job.kept);
  jobs_.erase(id);
}

// What has agreed is right, whatever became of the rest: it is listed as a commit would have it.
void Handoffs::salvage(JobId id, Job& job, Instant now) {
  const size_t kept = job.kept.size();
  const size_t named = job.names.size() - std::min(kept, job.names.size());
  const auto pages = static_cast<uint32_t>(std::min<size_t>(job.agreed, named));
  if (pages == 0) return;
  for (PageId page : receiver_.salvage(id, pages, now)) {
    const auto before = job.kept.empty() ? std::nullopt : std::optional(job.kept.back());
    const auto& name = job.names[job.kept.size()];
    if (const auto other = cache_.publish(name, page, before, kPageTokens)) {
      cache_.release(std::span(&page, 1));
      page = *other;
    }
    job.kept.push_back(page);
    ++salvaged_;
  }
}

void Handoffs::run_timers(Instant now) {
  for (auto& [id, job] : jobs_)  // digests end in time, and until then nothing lets go of pages
    if (job.reading) receiver_.renew(id, now);
  for (const JobId id : receiver_.expire(now))
    if (jobs_.contains(id))
      lose(id, GiveUp::place_again, true, true, "the lease of its reservation ran out", now);
  std::vector<JobId> due;
  for (const auto& [id, job] : jobs_) {
    if (job.ended) continue;
    const bool waits = job.phase == Phase::sealed || job.phase == Phase::digesting;
    if (now >= job.heard + limits_.prefill_silence_max || (waits && now >= job.resend_at))
      due.push_back(id);
  }
  for (const JobId id : due) {
    Job& job = jobs_.at(id);
    if (now >= job.heard + limits_.prefill_silence_max)
      lose(id, GiveUp::place_again, true, true, "nothing was heard of the job", now);
    else if (job.phase == Phase::sealed)
      ask_again(id, job, now);
    else
      lose(id, GiveUp::place_again, false, true, "the digests did not come in time", now);
  }
}

std::optional<Instant> Handoffs::next_deadline() const {
  std::optional<Instant> next = receiver_.next_deadline();
  for (const auto& [id, job] : jobs_) {
    if (job.ended) continue;
    Instant at = job.heard + limits_.prefill_silence_max;
    if (job.phase == Phase::sealed || job.phase == Phase::digesting)
      at = std::min(at, job.resend_at);
    if (!next || at < *next) next = at;
  }
  return next;
}

size_t Handoffs::queued() const {
  return static_cast<size_t>(std::ranges::count_if(jobs_, [](const auto& entry) {
    return entry.second.phase == Phase::queued && !entry.second.ended;
  }));
}

uint64_t Handoffs::promised_pages() const {
  uint64_t pages = 0;
  for (const auto& [id, job] : jobs_)
    if (job.phase == Phase::queued) pages += job.need.total();
  return pages;
}

}  // namespace baton::decode
