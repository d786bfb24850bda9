// What PrefillState does with a kvstore: asks it for the pages that its own index misses, reads
// them if that is cheaper than computing them, writes finished ones behind the requests.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "prefill/job_pages.h"
#include "prefill/prefill_state.h"

namespace baton::prefill {

namespace {

double ms(Duration d) { return to_seconds(d) * 1000; }

std::string pages_text(uint32_t pages) {
  return fmt::format("{} page{}", pages, pages == 1 ? "" : "s");
}

}  // namespace

kvcache::PromptPages PrefillState::prompt_pages(const Job& job, uint32_t first,
                                                uint32_t pages) const {
  const auto& full = job.names.full;
  const auto names = std::span(full).subspan(first, pages);
  return {first, full[kvcache::head_of_run(first)], {names.begin(), names.end()}};
}

// The job has entered the window: what lies behind the pages that were found here?
void PrefillState::visit_store(Job& job) {
  job.store = {};
  const auto full = static_cast<uint32_t>(job.names.full.size());
  const uint32_t first = job.computed / kPageTokens;
  if (stores_ == 0 || !job.reads_cache || first >= full) return;
  const uint32_t pages = std::min(full - first, setup_.limits.store_pages_max);
  job.store.phase = StorePhase::asked;
  job.store.order = {job.order.job, ++store_orders_};
  job.store.first = first;
  job.store.end = first + pages;
  job.store.begun = now_;
  job.store.deadline = now_ + setup_.limits.store_lookup_max;
  arm(job.store.deadline);
  ++counts_.store.lookups;
  counts_.store.queried_tokens += uint64_t{pages} * kPageTokens;
  actions_.push_back(LookUpPages{job.store.order, prompt_pages(job, first, pages)});
}

Job* PrefillState::at_store(const kvcache::StoreOrder& order, StorePhase phase) {
  const auto found = jobs_.find(order.job);
  if (found == jobs_.end()) return nullptr;
  Job& job = found->second;
  return job.store.phase == phase && job.store.order == order ? &job : nullptr;
}

void PrefillState::leave_store(Job& job, std::string says) {
  job.store.phase = StorePhase::none;
  job.store.deadline = Instant::max();
  job.store.says = std::move(says);
}

void PrefillState::on(const StoreHeld& held) {
  Job* job = at_store(held.order, StorePhase::asked);
  if (!job) return;
  StoreVisit& store = job->store;
  const uint32_t asked = store.end - store.first;
  if (!held.pages) {
    ++counts_.store.failures;
    return leave_store(*job, "The kvstore can't be reached: all is computed.");
  }
  const uint32_t pages = std::min(*held.pages, asked);
  if (pages == 0)
    return leave_store(*job, fmt::format("The kvstore has none of {}.", pages_text(asked)));
  if (!costs_.cheaper_to_read(pages, now_)) {
    ++counts_.store.declined;
    return leave_store(
        *job, fmt::format("{} of the kvstore would take {:.1f} ms to read and {:.1f} ms to "
                          "compute: all is computed.",
                          pages_text(pages), ms(*costs_.reading(pages, now_)),
                          ms(*costs_.computing(pages))));
  }
  store.phase = StorePhase::reading;
  store.end = store.first + pages;
  store.begun = now_;
  store.deadline = now_ + costs_.read_limit(pages);
  arm(store.deadline);
  const auto into = std::span(job->pages).subspan(store.first, pages);
  actions_.push_back(
      ReadPages{store.order, prompt_pages(*job, store.first, pages), {into.begin(), into.end()}});
}

void PrefillState::on(const StoreReadBegan& began) {
  Job* job = at_store(began.order, StorePhase::reading);
  if (!job || std::exchange(job->store.served, true)) return;
  job->store.served_at = now_;
}

// The next page is whole: it is posted at once, and others may take it.
void PrefillState::on(const StorePageCame& came) {
  Job* job = at_store(came.order, StorePhase::reading);
  if (!job) return;
  const uint32_t computed = ++job->store.first * kPageTokens;
  const uint32_t tokens = computed - job->computed;
  job->computed = job->found = computed;
  job->found_layer = 0;
  job->cached += tokens;
  job->store.fetched += tokens;
  ++job->store.came;
  if (!std::exchange(job->store.served, true)) job->store.served_at = job->store.begun;
  counts_.store.hit_tokens += tokens;
  publish_pages(cache_, *job);
  if (job->store.first == job->store.end) end_reading(*job, false);
  post_found(*job);
}

void PrefillState::on(const StoreReadEnded& ended) {
  if (Job* job = at_store(ended.order, StorePhase::reading)) end_reading(*job, false);
}

void PrefillState::end_reading(Job& job, bool late) {
  const StoreVisit& store = job.store;
  const Duration took = now_ - store.begun;
  const uint32_t wanted = store.came + store.end - store.first;
  // Waiting for others' reads says nothing of what a page costs.
  if (store.served) costs_.read(store.came, now_ - store.served_at, now_);
  std::string says = fmt::format("{} of {} were read from the kvstore in {:.1f} ms", store.came,
                                 pages_text(wanted), ms(took));
  if (const auto computing = costs_.computing(wanted))
    says += fmt::format("; computing them would have taken {:.1f} ms", ms(*computing));
  if (store.came < wanted) {
    ++(late ? counts_.store.timeouts : counts_.store.cut_short);
    says += late ? "; the others did not come in time" : "; the others did not come";
  }
  leave_store(job, says + ".");
}

// Its time at the store is over: it computes what has not come.
void PrefillState::run_store_timers() {
  for (auto& [id, job] : jobs_) {
    StoreVisit& store = job.store;
    if (store.phase == StorePhase::none || now_ < store.deadline) continue;
    actions_.push_back(ForgetStoreOrder{store.order, true});
    if (store.phase == StorePhase::reading) {
      end_reading(job, true);
      continue;
    }
    ++counts_.store.timeouts;
    leave_store(job, fmt::format("The kvstore did not answer within {:.0f} ms: all is computed.",
                                 ms(setup_.limits.store_lookup_max)));
  }
}

// Before its pages become others'.
void PrefillState::forget_store(Job& job) {
  if (job.store.phase != StorePhase::none)
    actions_.push_back(ForgetStoreOrder{job.store.order, false});
  job.store = {};
}

// ---- behind the requests -----------------------------------------------------------------------

// The job has listed its pages from `listed` on. Full ones that are its own, and not from the store
// itself, are kept there; all pages before them are held meanwhile, as always in the index.
void PrefillState::keep_pages(const Job& job, size_t listed) {
  if (stores_ == 0 || !job.reads_cache) return;
  KeepBatch batch;
  for (size_t i = listed; i < std::min(job.listed.size(), job.names.full.size()); ++i) {
    if (job.listed[i] != job.pages[i]) continue;  // somebody else has computed the same
    const auto depth = static_cast<uint32_t>(i);
    const auto& head = job.names.full[kvcache::head_of_run(depth)];
    batch.pages.push_back({job.names.full[i], job.pages[i], depth, head});
  }
  if (batch.pages.empty()) return;
  if (draining_) {
    counts_.store.dropped += batch.pages.size();
    return;
  }
  batch.held.assign(job.listed.begin(), job.listed.begin() + batch.pages.back().depth + 1);
  cache_.hold(batch.held);
  keeps_.push_back(std::move(batch));
  trim_keeps();
  keep_next();
}

size_t PrefillState::keeps_waiting() const {
  size_t pages = 0;
  for (const KeepBatch& batch : keeps_) pages += batch.pages.size();
  return pages;
}

// Pages of the pool that would not be held if only the first batch were there. The batches of a
// job hold the same pages from the first on.
size_t PrefillState::keeps_holding() const {
  if (keeps_.size() < 2) return 0;
  const std::set<PageId> first(keeps_.front().held.begin(), keeps_.front().held.end());
  std::set<PageId> all = first;
  for (const KeepBatch& batch : keeps_) all.insert(batch.held.begin(), batch.held.end());
  return all.size() - first.size();
}

// The last to come go first: what was before them in the same prompt is worth more.
void PrefillState::trim_keeps() {
  const size_t holding_max = setup_.pages / setup_.limits.keep_share;
  while (keeps_waiting() > setup_.limits.keep_pages_max || keeps_holding() > holding_max)
    drop_last_keep();
}

void PrefillState::drop_last_keep() {
  counts_.store.dropped += keeps_.back().pages.size();
  cache_.release(keeps_.back().held);
  keeps_.pop_back();
}

// All but the batch that is being written. False if there are none.
bool PrefillState::drop_waiting_keeps() {
  const size_t stay = keeping_ ? 1 : 0;
  if (keeps_.size() == stay) return false;
  while (keeps_.size() > stay) drop_last_keep();
  return true;
}

// One batch at a time; the first is the one that is being written.
void PrefillState::keep_next() {
  if (keeping_ || keeps_.empty()) return;
  keeping_ = true;
  actions_.push_back(KeepPages{keeps_.front().pages});
}

void PrefillState::on(const PagesKept& kept) {
  if (!keeping_) return;
  keeping_ = false;
  counts_.store.kept += kept.stored;
  counts_.store.not_kept += keeps_.front().pages.size() - kept.stored;
  cache_.release(keeps_.front().held);
  keeps_.pop_front();
  trim_keeps();
  keep_next();
}

}  // namespace baton::prefill
