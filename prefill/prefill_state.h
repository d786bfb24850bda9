// PrefillState: a prefill instance as a pure machine: from a job to the commit of its pages.
//
// Jobs wait in a bounded queue; scheduler/fair_share.h says who goes first. Those that enter the
// window take what is known of their prompt from the prefix cache and pages of this pool for the
// rest (job_pages.h), and ask decode to reserve; a refused job leaves the window until its time,
// and nothing waits behind it; refused too often it is aborted. Jobs with a reservation are
// computed chunk by chunk, what was found is not; each layer's complete blocks are posted while the
// next layer computes, and complete pages published; a job that wants its prompt scored is
// told the scores of each chunk. Pages of which all layers are written are told of with their
// digests before the seal, so that decode has something to go on with should this instance die.
// What the own cache misses may be read from a kvstore, and what is computed is kept there, behind
// the requests (prefill_state_store.cpp). When all is posted it seals with a digest a page, posts
// again what decode asks for, and frees on the commit. Abort, the loss of its decode and its
// deadline end a job at once, or, if the step in flight or the digests read its pages, right after.
// Ended jobs leave a tombstone, so that a message that comes late starts nothing. Pure: no clock,
// thread, socket, chance or log; the shell (prefill_worker) does the actions. Thread safety: its
// owner's thread only; the compute thread may read the spans of a Compute until it answers.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/observe/bucket_counts.h"
#include "kvcache/prefix/pinned_prefix.h"
#include "kvcache/prefix/prefix_cache.h"
#include "kvcache/prefix/prefix_news.h"
#include "prefill/chunk_plan.h"
#include "prefill/events.h"
#include "prefill/handoff_figures.h"
#include "prefill/job.h"
#include "prefill/store_costs.h"
#include "scheduler/fair_share.h"

namespace baton::prefill {

struct PrefillLimits {
  uint32_t jobs_max = 256;      // in all phases; beyond, a job is refused
  uint32_t groups = 1;          // DP groups: each computes jobs of its own, steps are in common
  uint32_t window_jobs = 16;    // of a group, reserving or computing
  uint32_t chunk_tokens = 512;  // rows of a group in one step
  uint32_t sequences_max = 64;  // jobs of a group in one step
  uint32_t refusals_max = 12;   // by decode; then the job is aborted
  size_t found_frames = 4096;   // of pages that were found, posted at a time (a layer at least)
  size_t tombstones_max = 4096;
  Duration tombstone = 60s;
  Duration reserve_timeout = 2s;  // without an answer the job leaves the window, as if refused
  Duration alive_interval = 1s;
  Duration seal_interval = 2s;  // a seal without an answer is sent again that often
  Duration frames_max = 60s;    // for posted frames to be written; then the job is aborted
  Duration commit_max = 30s;    // from the seal to the commit; then the job is aborted
  Duration beat_interval = 500ms;
  Duration beat_interval_min = 20ms;
  Duration report_interval = 1s;  // of the pool, with a heartbeat
  Duration drain_max = 60s;
  uint32_t store_pages_max = 4096;    // that are asked of the kvstore at a time
  Duration store_lookup_max = 500ms;  // for the kvstore to say what it holds; then all is computed
  size_t keep_pages_max = 256;        // that wait for the kvstore; beyond, they are not kept there
  uint32_t keep_share = 8;            // and what waits holds that part of the pool at most
  StoreCostLimits store_costs;
  Duration time_max = Duration(3600s);  // of a job that names no deadline
};

struct PrefillSetup {
  PrefillLimits limits;
  Incarnation self;
  uint32_t pages = 0;
  kvcache::PageFormat format;
  Manifest manifest;         // what prefixes are named by, besides their tokens
  std::string cache_secret;  // of the server: keeps tenants' prefixes apart
  bool prefix_caching = true;
  std::vector<kvcache::PinnedPrefix> pinned;  // prefixes that stay once they are there
  uint32_t vocab_size = 0;
  uint32_t context_max = 0;
  uint32_t alternatives_max = 20;  // to each token of a prompt that is scored
};

// Of the kvstore. Pages unless it says so.
struct StoreUseCounts {
  uint64_t lookups = 0;         // prefixes that were asked for
  uint64_t queried_tokens = 0;  // entries that were asked for,
  uint64_t hit_tokens = 0;      // and that came
  uint64_t declined = 0;        // lookups after which computing was cheaper
  uint64_t failures = 0;        // lookups without an answer: the store is not there
  uint64_t timeouts = 0;        // lookups and reads that took too long
  uint64_t cut_short = 0;       // reads of which some pages never came
  uint64_t kept = 0;
  uint64_t not_kept = 0;  // written, but the store would not or could not
  uint64_t dropped = 0;   // not written: too many waited, or requests need room, or a drain
};

// What the machine has seen since its start: for metrics.
struct PrefillCounts {
  uint64_t accepted = 0;
  uint64_t committed = 0;
  uint64_t aborted = 0;  // by either side or a deadline; accepted = committed + aborted + live
  uint64_t refused = 0;  // never accepted
  BucketCounts step_rows{step_row_edges()};
  uint64_t frames_posted = 0;
  uint64_t frames_posted_again = 0;
  uint64_t reservations_refused = 0;
  uint64_t pages_not_sent = 0;  // of jobs that were committed: decode had them
  StoreUseCounts store;
  HandoffFigures handoffs;
};

class PrefillState {
 public:
  explicit PrefillState(PrefillSetup setup);
  PrefillState(const PrefillState&) = delete;
  PrefillState& operator=(const PrefillState&) = delete;

  Actions step(const Event& event, Instant now);
  std::optional<Instant> next_deadline() const;

  const kvcache::PagePool& pool() const { return cache_.pool(); }
  const kvcache::PrefixCache& cache() const { return cache_; }
  Load load() const;
  size_t jobs() const { return jobs_.size(); }
  size_t jobs_unreserved() const;  // decode has no pages for them yet
  size_t jobs_in_flight() const;   // all is computed, decode hasn't committed
  PoolReport pool_report() const;
  const PrefillCounts& counts() const { return counts_; }
  const StoreCosts& costs() const { return costs_; }

 private:
  using Map = std::map<JobId, Job>;
  struct KeepBatch {  // pages on their way to the kvstore
    std::vector<kvcache::KeptPage> pages;
    std::vector<PageId> held;  // these and all before them
  };

  void on(const DecodeSaid& said);
  void on(const DecodeDown& down);
  void on(const LayerDone& done);
  void on(const StepDone& done);
  void on(const FramesWritten& written);
  void on(const FramesDropped& dropped);
  void on(const Digested& digested);
  void on(const SchedulerSaw& saw);
  void on(const StoresKnown& known) { stores_ = known.stores; }
  void on(const StoreHeld& held);
  void on(const StoreReadBegan& began);
  void on(const StorePageCame& came);
  void on(const StoreReadEnded& ended);
  void on(const PagesKept& kept);
  void on(const Drain&);
  void on(const Tick&) {}

  void message(LinkId link, const PrefillJob& order);
  void message(LinkId link, const Reserved& reserved);
  void message(LinkId link, const NotBefore& not_before);
  void message(LinkId link, const Resend& resend);
  void message(LinkId link, const Commit& commit);
  void message(LinkId link, const Abort& abort);

  Job* live(LinkId link, JobId job);
  std::optional<std::string> refusal(const PrefillJob& order) const;
  void open_window();
  void leave_window(Job& job, Duration delay);
  void compute();
  void tell_scores(const Job& job, uint32_t first, const model::SequenceResult& result);
  void post_found(Job& job);
  void if_all_posted(Job& job);
  void post(Job& job, std::vector<kvcache::OutgoingFrame> frames);
  Job* of_session(SessionId session);
  void digest_until(Job& job, uint32_t end);
  void digest_so_far(Job& job);
  void seal_if_ready(Job& job);
  void seal(Job& job);
  void tell_digests(const Job& job);
  void abort(Map::iterator job, const std::string& reason, bool tell);
  void end(Map::iterator job);  // at once, or when nothing reads its pages any more
  void leave(Job& job);         // gives back pages, forgets frames
  void bury(JobId job);
  void visit_store(Job& job);
  kvcache::PromptPages prompt_pages(const Job& job, uint32_t first, uint32_t pages) const;
  Job* at_store(const kvcache::StoreOrder& order, StorePhase phase);
  void leave_store(Job& job, std::string says);
  void end_reading(Job& job, bool late);
  void forget_store(Job& job);
  void keep_pages(const Job& job, size_t listed);
  size_t keeps_waiting() const;
  size_t keeps_holding() const;
  void trim_keeps();
  void drop_last_keep();
  bool drop_waiting_keeps();
  void keep_next();
  void run_timers();
  void run_store_timers();
  void wake(Map::iterator job);
  void arm(Instant at) { next_wake_ = std::min(next_wake_, at); }
  void beat();
  uint32_t in_window() const;
  scheduler::Standing standing(const Job& job) const;
  uint32_t lightest_group() const;

  PrefillSetup setup_;
  kvcache::PageNamer namer_;
  kvcache::PrefixCache cache_;
  kvcache::PrefixNews news_{kvcache::PrefixNewsLimits{}};
  Instant report_due_{};
  Instant news_due_{};  // again, if the scheduler doesn't answer to the last
  Map jobs_;
  scheduler::FairShare fair_;
  std::vector<Chunk> flight_;  // the step that computes now
  StepId step_{0};
  Instant step_begun_;
  std::set<JobId> tombstones_;
  std::deque<std::pair<Instant, JobId>> tombstone_ends_;
  StoreCosts costs_;
  size_t stores_ = 0;
  uint64_t store_orders_ = 0;
  std::deque<KeepBatch> keeps_;  // the first is being written if `keeping_`
  bool keeping_ = false;
  uint64_t arrivals_ = 0;
  bool draining_ = false;
  bool drained_ = false;
  Instant drain_end_ = Instant::max();
  bool beat_due_ = true;
  std::vector<std::pair<RequestId, Attempt>> ended_;  // since the last beat; at most jobs_max
  std::optional<Instant> last_beat_;
  Instant next_alive_ = Instant::max();
  Instant next_wake_ = Instant::max();
  Instant now_;
  Actions actions_;
  PrefillCounts counts_;

  friend std::optional<std::string> broken_invariant(const PrefillState& state);
};

}  // namespace baton::prefill
