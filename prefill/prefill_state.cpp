#include "prefill/prefill_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "prefill/job_pages.h"

namespace baton::prefill {

PrefillState::PrefillState(PrefillSetup setup)
    : setup_(std::move(setup)),
      namer_(setup_.manifest, setup_.cache_secret),
      cache_({.pages = setup_.pages}, setup_.prefix_caching),
      costs_(setup_.limits.store_costs) {
  pin_all(cache_, namer_, setup_.pinned);
}

Actions PrefillState::step(const Event& event, Instant now) {
  now_ = now;
  run_timers();
  std::visit([this](const auto& e) { on(e); }, event);
  open_window();
  compute();
  beat();
  const bool kept = keeps_.empty() || now_ >= drain_end_;  // nobody waits longer for a kvstore
  if (draining_ && !drained_ && jobs_.empty() && flight_.empty() && kept) {
    drained_ = true;
    actions_.push_back(Drained{});
  }
  return std::exchange(actions_, {});
}

// ---- what decode says --------------------------------------------------------------------------

void PrefillState::on(const DecodeSaid& said) {
  std::visit([&](const auto& m) { message(said.link, m); }, said.message);
}

void PrefillState::message(LinkId link, const PrefillJob& order) {
  if (jobs_.contains(order.job) || tombstones_.contains(order.job)) return;  // it came twice
  if (const auto reason = refusal(order)) {
    ++counts_.refused;
    actions_.push_back(TellDecode{link, Abort{order.job, *reason}});
    return;
  }
  ++counts_.accepted;
  Job job;
  job.order = order;
  job.link = link;
  job.names = namer_.names(kvcache::cache_tenant(order.tenant, order.cache_salt),
                           std::span(order.prompt).first(job.entries()));
  job.reads_cache = cache_.enabled() && !order.prompt_logprobs;
  job.arrival = arrivals_++;
  job.accepted = now_;
  fair_.enter(order.tenant);
  job.deadline =
      now_ + std::min(order.time_left.value_or(setup_.limits.time_max), setup_.limits.time_max);
  job.wake = now_;
  arm(job.deadline);
  if (jobs_.empty()) next_alive_ = now_ + setup_.limits.alive_interval;
  arm(next_alive_);
  jobs_.emplace(order.job, std::move(job));
  beat_due_ = true;
}

std::optional<std::string> PrefillState::refusal(const PrefillJob& order) const {
  const uint64_t n = order.prompt.size();
  if (order.to != setup_.self) return "the job is meant for another life of this instance";
  if (draining_) return "this prefill instance is draining";
  if (jobs_.size() >= setup_.limits.jobs_max)
    return fmt::format("this prefill instance already has {} jobs", jobs_.size());
  if (n < 2) return fmt::format("a prompt of {} tokens needs no prefill", n);
  if (n > setup_.context_max)
    return fmt::format("the prompt has {} tokens, the model can attend to {}", n,
                       setup_.context_max);
  if (pages_for(n - 1) > setup_.pages)
    return fmt::format("the prompt needs {} pages, this instance has {}", pages_for(n - 1),
                       setup_.pages);
  if (order.prompt_logprobs.value_or(0) > setup_.alternatives_max)
    return fmt::format("{} alternatives a token are more than {}", *order.prompt_logprobs,
                       setup_.alternatives_max);
  for (const TokenId token : order.prompt)
    if (token >= setup_.vocab_size)
      return fmt::format("token {} is not in the vocabulary of {}", token, setup_.vocab_size);
  return std::nullopt;
}

// The job that this link may speak of. An unknown one is answered with an Abort, so that decode
// doesn't wait for what nobody does.
Job* PrefillState::live(LinkId link, JobId id) {
  const auto found = jobs_.find(id);
  if (found != jobs_.end() && !found->second.ended && found->second.link == link)
    return &found->second;
  actions_.push_back(TellDecode{link, Abort{id, "prefill has no such job"}});
  return nullptr;
}

void PrefillState::message(LinkId link, const Reserved& reserved) {
  Job* job = live(link, reserved.job);
  if (!job || job->phase != JobPhase::reserving) return;  // late, or twice
  auto sender = kvcache::HandoffSender::start(reserved, job->pages, job->entries(), setup_.format);
  if (!sender) {
    abort(jobs_.find(reserved.job), sender.error().message, true);
    return;
  }
  job->sender = std::move(*sender);
  job->phase = JobPhase::computing;
  job->wake = Instant::max();
  if (job->reads_cache) cache_.count(job->entries(), job->cached - job->store.fetched);
  post_found(*job);
}

void PrefillState::message(LinkId link, const NotBefore& not_before) {
  Job* job = live(link, not_before.job);
  if (!job || job->phase != JobPhase::reserving) return;
  leave_window(*job, not_before.delay);
}

void PrefillState::message(LinkId link, const Resend& resend) {
  Job* job = live(link, resend.job);
  if (!job || !job->sender || job->sender->session() != resend.session) return;
  auto frames = job->sender->resend(resend.frames);
  counts_.frames_posted_again += frames.size();
  post(*job, std::move(frames));
}

void PrefillState::message(LinkId link, const Commit& commit) {
  const auto found = jobs_.find(commit.job);
  if (found == jobs_.end() || found->second.ended || found->second.link != link) return;
  if (found->second.phase != JobPhase::sealed) return;  // only what was sealed can be committed
  ++counts_.committed;
  const Job& job = found->second;
  counts_.pages_not_sent += job.sender->kept();
  counts_.handoffs.committed(job.sender->sent().size() * setup_.format.page_bytes(),
                             now_ - job.posted_first, now_ - job.posted_at);
  end(found);
}

void PrefillState::message(LinkId link, const Abort& aborted) {
  bury(aborted.job);  // also of a job that is still on its way
  const auto found = jobs_.find(aborted.job);
  if (found == jobs_.end() || found->second.ended || found->second.link != link) return;
  abort(found, aborted.reason, false);
}

void PrefillState::on(const DecodeDown& down) {
  std::vector<JobId> lost;
  for (const auto& [id, job] : jobs_)
    if (job.link == down.link && !job.ended) lost.push_back(id);
  for (const JobId id : lost) abort(jobs_.find(id), "the link to decode is down", false);
}

// ---- the window and the steps ------------------------------------------------------------------

uint32_t PrefillState::in_window() const {
  return static_cast<uint32_t>(std::count_if(jobs_.begin(), jobs_.end(), [](const auto& entry) {
    const Job& job = entry.second;
    return !job.ended && (job.phase == JobPhase::reserving || job.phase == JobPhase::computing);
  }));
}

void PrefillState::open_window() {
  const uint32_t window = setup_.limits.window_jobs * setup_.limits.groups;
  uint32_t room = window - std::min(in_window(), window);
  if (room == 0) return;
  std::vector<Job*> ready;
  for (auto& [id, job] : jobs_)
    if (job.phase == JobPhase::queued && !job.ended && job.wake <= now_) ready.push_back(&job);
  for (; room > 0 && !ready.empty(); --room) {
    const auto first = std::ranges::min_element(ready, [this](const Job* a, const Job* b) {
      return fair_.before(standing(*a), standing(*b));
    });
    Job* job = *first;
    ready.erase(first);
    std::optional<CopyPage> copy;
    // The next to come may be smaller, but then a long prompt would starve.
    // Nor does it wait for the kvstore.
    if (!hold_pages(cache_, *job, copy) &&
        !(drop_waiting_keeps() && hold_pages(cache_, *job, copy)))
      break;
    if (copy) actions_.push_back(*copy);
    job->charged = job->entries() - job->cached;
    fair_.charge(job->order.tenant, job->charged);
    job->group = lightest_group();
    job->phase = JobPhase::reserving;
    job->wake = now_ + setup_.limits.reserve_timeout;
    arm(job->wake);
    actions_.push_back(TellDecode{job->link, Reserve{job->order.job, pages_for(job->entries())}});
    visit_store(*job);
  }
}

scheduler::Standing PrefillState::standing(const Job& job) const {
  return {job.order.priority, now_ - job.accepted, job.order.tenant, job.arrival};
}

// The DP group with the fewest tokens left to compute.
uint32_t PrefillState::lightest_group() const {
  std::vector<uint64_t> tokens(setup_.limits.groups);
  for (const auto& [id, job] : jobs_) {
    const bool there = job.phase == JobPhase::reserving || job.phase == JobPhase::computing;
    if (there && !job.ended) tokens[job.group] += job.entries() - job.computed;
  }
  return static_cast<uint32_t>(std::ranges::min_element(tokens) - tokens.begin());
}

void PrefillState::leave_window(Job& job, Duration delay) {
  ++counts_.reservations_refused;
  if (++job.refusals > setup_.limits.refusals_max) {
    abort(jobs_.find(job.order.job),
          fmt::format("decode refused to reserve {} times", job.refusals), true);
    return;
  }
  leave(job);
  fair_.refund(job.order.tenant, job.charged);
  job.phase = JobPhase::queued;
  job.wake = now_ + std::max(delay, Duration{});
  arm(job.wake);
}

void PrefillState::compute() {
  if (!flight_.empty()) return;
  std::vector<const Job*> all;
  for (const auto& [id, job] : jobs_) all.push_back(&job);
  // In the window the order is by priority and age: a tenant has its share by who got in.
  std::ranges::sort(all, {}, [this](const Job* job) {
    return std::pair(scheduler::effective_priority(job->order.priority, now_ - job->accepted),
                     job->arrival);
  });
  for (const Job* job : all) {
    Job& own = jobs_.at(job->order.job);
    if (own.phase != JobPhase::computing || own.ended) continue;
    if (own.store.phase != StorePhase::none) continue;
    const uint32_t cached = own.cached;
    if (!take_known_pages(cache_, own)) continue;
    cache_.count(0, own.cached - cached);
    post_found(own);
  }
  flight_ = plan_chunks(all, setup_.limits.chunk_tokens, setup_.limits.sequences_max,
                        setup_.limits.groups);
  if (flight_.empty()) return;

  Compute step{StepId{++step_.value}, {}};
  size_t step_rows = 0;
  for (const Chunk& chunk : flight_) {
    Job& job = jobs_.at(chunk.job);
    job.in_step = true;
    const std::vector<TokenId>& prompt = job.order.prompt;
    model::SequenceRows rows;
    rows.group = job.group;
    rows.pages = job.pages;
    rows.prompt_tokens = static_cast<uint32_t>(prompt.size());
    rows.first = chunk.first;
    rows.tokens = std::span(prompt).subspan(chunk.first, chunk.rows);
    rows.next = prompt[chunk.first + chunk.rows];  // there is one: the last token is decode's
    rows.score = job.order.prompt_logprobs;
    rows.draft_depth = 0;
    step.sequences.push_back(rows);
    step_rows += chunk.rows;
  }
  counts_.step_rows.observe(static_cast<double>(step_rows));
  step_begun_ = now_;
  actions_.push_back(std::move(step));
}

void PrefillState::on(const LayerDone& done) {
  if (done.step != step_) return;
  for (const Chunk& chunk : flight_) {
    Job& job = jobs_.at(chunk.job);
    if (!job.ended) post(job, job.sender->layer_finished(done.layer, chunk.first + chunk.rows));
  }
}

// The row at position p scores the token at p + 1.
void PrefillState::tell_scores(const Job& job, uint32_t first,
                               const model::SequenceResult& result) {
  PromptScores message{job.order.job, {first + 1, {}}};
  for (const model::ScoredRow& scored : result.scores)
    message.scores.scores.push_back(scored.score);
  actions_.push_back(TellDecode{job.link, std::move(message)});
}

void PrefillState::on(const StepDone& done) {
  if (done.step != step_ || flight_.empty()) return;
  check(done.results.size() == flight_.size(), "a step has another number of results than chunks");
  const std::vector<Chunk> chunks = std::exchange(flight_, {});
  uint32_t rows = 0;
  for (const Chunk& chunk : chunks) rows += chunk.rows;
  costs_.computed(rows, now_ - step_begun_);
  for (size_t i = 0; i < chunks.size(); ++i) {
    const Chunk& chunk = chunks[i];
    const auto found = jobs_.find(chunk.job);
    Job& job = found->second;
    job.in_step = false;
    job.computed = chunk.first + chunk.rows;
    const size_t listed = job.listed.size();
    publish_pages(cache_, job);  // of an ended job too: others can use what it has done
    keep_pages(job, listed);
    if (job.ended) {
      end(found);
      continue;
    }
    if (job.order.prompt_logprobs) tell_scores(job, chunk.first, done.results[i]);
    job.compute_time += now_ - step_begun_;
    beat_due_ = true;
    check(job.computed < job.entries() || job.sender->all_posted(),
          "a step is done, but not all of its layers were reported");
    if_all_posted(job);
  }
}

void PrefillState::if_all_posted(Job& job) {
  if (job.phase != JobPhase::computing || job.computed < job.entries() || !job.sender->all_posted())
    return;
  job.phase = JobPhase::posted;
  job.posted_at = now_;
  job.wake = now_ + setup_.limits.frames_max;
  arm(job.wake);
  if (!job.digesting) digest_until(job, static_cast<uint32_t>(job.sender->sent().size()));
}

// The pages after those that have a digest.
void PrefillState::digest_until(Job& job, uint32_t end) {
  const auto first = static_cast<uint32_t>(job.digests.size());
  const auto pages = job.sender->sent().subspan(first, end - first);
  const uint32_t tokens = std::min(job.sender->sent_tokens(), end * kPageTokens);
  job.digesting = true;
  actions_.push_back(
      DigestPages{job.order.job, {pages.begin(), pages.end()}, tokens - first * kPageTokens});
}

// While more is computed: what is written in all layers. One that waits for the kvstore is about to
// have pages replaced; it waits.
void PrefillState::digest_so_far(Job& job) {
  if (job.phase != JobPhase::computing || job.frames_wait || job.digesting) return;
  if (job.store.phase != StorePhase::none) return;
  const uint32_t whole = job.sender->whole_pages();
  if (whole > job.digests.size()) digest_until(job, whole);
}

// ---- frames, digests, seal ---------------------------------------------------------------------

// What was found is posted from the first layer on, some frames at a time, the next when these are
// written; a layer that a step finishes meanwhile takes along what was found of it.
void PrefillState::post_found(Job& job) {
  if (job.phase != JobPhase::computing) return;
  std::vector<kvcache::OutgoingFrame> frames;
  while (job.found_layer < setup_.format.layers && frames.size() < setup_.limits.found_frames) {
    auto more = job.sender->layer_finished(job.found_layer++, job.found);
    frames.insert(frames.end(), std::make_move_iterator(more.begin()),
                  std::make_move_iterator(more.end()));
  }
  post(job, std::move(frames));
  if_all_posted(job);
}

void PrefillState::post(Job& job, std::vector<kvcache::OutgoingFrame> frames) {
  if (frames.empty()) return;
  counts_.frames_posted += frames.size();
  if (job.posted_first == Instant{}) job.posted_first = now_;
  job.frames_wait = true;
  actions_.push_back(PostFrames{job.sender->frame_address(), std::move(frames)});
}

Job* PrefillState::of_session(SessionId session) {
  for (auto& [id, job] : jobs_)
    if (!job.ended && job.sender && job.sender->session() == session) return &job;
  return nullptr;
}

void PrefillState::on(const FramesWritten& written) {
  Job* job = of_session(written.session);
  if (!job) return;
  job->frames_wait = false;
  post_found(*job);
  digest_so_far(*job);
  seal_if_ready(*job);
}

// What was dropped decode will ask for once it has the seal.
void PrefillState::on(const FramesDropped& dropped) {
  Job* job = of_session(dropped.session);
  if (!job) return;
  job->frames_wait = false;
  post_found(*job);
  seal_if_ready(*job);
}

void PrefillState::on(const Digested& digested) {
  const auto found = jobs_.find(digested.job);
  if (found == jobs_.end() || !found->second.digesting) return;
  Job& job = found->second;
  job.digesting = false;
  if (job.ended) {
    end(found);
    return;
  }
  job.digests.insert(job.digests.end(), digested.pages.begin(), digested.pages.end());
  if (job.phase == JobPhase::computing) {
    tell_digests(job);
    digest_so_far(job);
  } else if (const auto all = static_cast<uint32_t>(job.sender->sent().size());
             job.digests.size() < all) {
    digest_until(job, all);
  }
  seal_if_ready(job);
}

void PrefillState::seal_if_ready(Job& job) {
  if (job.phase != JobPhase::posted || job.frames_wait || job.digesting) return;
  job.phase = JobPhase::sealed;
  job.sealed_at = now_;
  seal(job);
}

void PrefillState::seal(Job& job) {
  job.wake = now_ + setup_.limits.seal_interval;
  arm(job.wake);
  tell_digests(job);
}

// Of all pages: the seal. Of fewer: these are final.
void PrefillState::tell_digests(const Job& job) {
  actions_.push_back(
      TellDecode{job.link, Seal{job.order.job, job.sender->session(), job.digests, job.compute_time,
                                job.cached, job.store.fetched, job.store.says}});
}

// ---- the end of a job --------------------------------------------------------------------------

void PrefillState::abort(Map::iterator it, const std::string& reason, bool tell) {
  if (tell) actions_.push_back(TellDecode{it->second.link, Abort{it->first, reason}});
  ++counts_.aborted;
  counts_.handoffs.failed(it->second.sender.has_value());
  end(it);
}

void PrefillState::end(Map::iterator it) {
  Job& job = it->second;
  if (!job.ended && ended_.size() < setup_.limits.jobs_max)
    ended_.emplace_back(job.order.request, job.order.attempt);
  job.ended = true;
  job.wake = Instant::max();
  beat_due_ = true;
  if (job.in_step || job.digesting) return;  // ended again by StepDone or Digested
  leave(job);
  bury(it->first);
  fair_.leave(job.order.tenant);
  jobs_.erase(it);
}

void PrefillState::leave(Job& job) {
  if (job.sender) actions_.push_back(ForgetFrames{job.sender->session()});
  job.sender.reset();
  forget_store(job);
  release_pages(cache_, job);
}

void PrefillState::bury(JobId id) {
  if (!tombstones_.insert(id).second) return;
  tombstone_ends_.emplace_back(now_ + setup_.limits.tombstone, id);
  if (tombstone_ends_.size() > setup_.limits.tombstones_max) {
    tombstones_.erase(tombstone_ends_.front().second);
    tombstone_ends_.pop_front();
  }
  arm(tombstone_ends_.front().first);
}

void PrefillState::on(const Drain&) {
  drained_ = false;  // whoever asks is answered
  if (draining_) return;
  draining_ = true;
  drain_end_ = now_ + setup_.limits.drain_max;
  arm(drain_end_);
  drop_waiting_keeps();
  beat_due_ = true;
}

}  // namespace baton::prefill
