// DecodeState: a decode instance as a pure machine: from Submit to the last token.
//
// A request waits for the form of its answer to be compiled, if it names one that isn't known yet;
// then it is at prefill (its prompt is being handed over), or wants pages (decode prefills it
// itself), or waits for a place in the batch, or runs. It is admitted with pages for its prompt and
// some more, and grows page by page; when there is none left, the request that is last by priority
// and age gives way: its gateway places it again, and its known tokens are replayed. Among those
// that wait, scheduler/fair_share.h says who goes first. Choices fork at position
// n - 1: they share the full pages of the prompt and copy the partial one. Full pages of prompts
// hold nothing but prefill-form entries, so they are kept for prompts that begin the same, as long
// as there is room: what is known of a prompt is neither sent nor filled again. Known tokens are
// replayed in the decode form, then sampling goes on. Cancel, the loss of its gateway and its
// deadline free a request at once; pages that the step in flight reads are freed after it. Nothing
// about the batch or the attempt may change a token. Pure: no clock, thread, socket, chance or log;
// the shell (decode_worker) does the actions. Thread safety: its owner's thread only; the compute
// thread may read the spans of a Compute until it answers.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/observe/bucket_counts.h"
#include "decode/draft_policy.h"
#include "decode/events.h"
#include "decode/fill_costs.h"
#include "decode/handoffs.h"
#include "decode/limits.h"
#include "decode/output_text.h"
#include "decode/running_batch.h"
#include "kvcache/handoff.h"
#include "kvcache/prefix/pinned_prefix.h"
#include "kvcache/prefix/prefix_cache.h"
#include "kvcache/prefix/prefix_news.h"
#include "scheduler/fair_share.h"

namespace baton::decode {

struct DecodeSetup {
  DecodeLimits limits;
  ModelFacts model;
  uint32_t pages = 0;
  kvcache::PageFormat format;
  kvcache::SessionLimits sessions;
  Incarnation self;
  std::string frame_address;  // where frames for it go
  Manifest manifest;          // what prefixes are named by, besides their tokens
  std::string cache_secret;   // of the server: keeps tenants' prefixes apart
  bool prefix_caching = true;
  std::vector<kvcache::PinnedPrefix> pinned;  // prefixes that stay once they are there
};

// What the machine has seen since its start: for metrics.
struct DecodeCounts {
  uint64_t accepted = 0;
  uint64_t finished = 0;
  uint64_t cancelled = 0;
  uint64_t given_up = 0;   // accepted = finished + cancelled + given_up + live
  uint64_t refused = 0;    // given up without having been accepted
  uint64_t preempted = 0;  // given up because older ones needed the pages
  BucketCounts step_rows{step_row_edges()};
  Duration computing{};  // in these steps
  uint64_t tokens = 0;
  uint64_t tokens_replayed = 0;
  uint64_t drafts_tried = 0;
  uint64_t drafts_accepted = 0;
  uint64_t draft_depth = 0;  // that the last step aimed at
  uint64_t pages_kept = 0;   // of prompts: they were here, and neither sent nor filled
  uint64_t went_on = 0;      // requests whose prefill was lost and whose rest is filled here
};

class DecodeState {
 public:
  // The tokenizer must outlive it. `draw` gives unpredictable bits: job and session ids.
  DecodeState(DecodeSetup setup, const text::Tokenizer& tokenizer, DrawId draw);
  DecodeState(const DecodeState&) = delete;
  DecodeState& operator=(const DecodeState&) = delete;

  Actions step(const Event& event, Instant now);
  std::optional<Instant> next_deadline() const;

  // A frame server needs the receiver before it has an address: set before the first event.
  void set_frame_address(std::string address) { handoffs_.set_frame_address(std::move(address)); }

  // For what lands frames: admit and landed, then a FrameLanded event.
  kvcache::HandoffReceiver& receiver() { return receiver_; }
  const kvcache::PagePool& pool() const { return cache_.pool(); }
  const kvcache::PrefixCache& cache() const { return cache_; }
  Load load() const;
  size_t live() const { return requests_.size(); }
  size_t without_pages() const;                                               // for their prompt
  size_t receiving() const { return handoffs_.size() - handoffs_.queued(); }  // a hand-off
  PoolReport pool_report() const;
  const DecodeCounts& counts() const { return counts_; }
  uint64_t salvaged_pages() const { return handoffs_.salvaged_pages(); }

 private:
  enum class Phase : uint8_t { compiling, at_prefill, wants_pages, filling, waiting, running };
  struct Choice {
    OutputText text;
  };
  struct Request {
    RequestState state;
    LinkId link;
    Phase phase = Phase::at_prefill;
    std::optional<Peer> prefill;                 // that it was placed at
    std::shared_ptr<constraint::Language> form;  // of its answer, if it names one
    PageNeed need;
    std::vector<kvcache::PageName> names;  // of its prompt's full pages
    uint32_t filled = 0;                   // entries that were here when it got its pages
    std::optional<uint32_t> kept;  // went on here: so many pages others had; the rest it brought
    std::vector<PageId> prompt_pages, growth_pages;  // until it runs
    std::vector<Choice> choices;                     // while it runs
    uint32_t open_choices = 0;
    uint64_t arrival = 0;
    DecodeTimes times;
    bool times_told = false;
    bool local = false;  // decode prefills it itself
    Instant born;        // when its gateway took it
    Instant submitted, phase_since, said, deadline;
  };
  using Map = std::map<RequestId, Request>;

  void on(const GatewaySaid& said);
  void on(const GatewayDown& down);
  void on(const PrefillSaid& said) { handoffs_.on(said, now_); }
  void on(const PrefillDown& down) { handoffs_.on(down, now_); }
  void on(const FrameLanded& landed) { handoffs_.on(landed, now_); }
  void on(const Digested& digested) { handoffs_.on(digested, now_); }
  void on(const StepDone& done);
  void on(const FormCompiled& compiled);
  void on(const SchedulerSaw& saw);
  void on(const Drain&);
  void on(const Tick&) {}

  void submit(LinkId link, const Submit& submit);
  void want_form(Request& request);
  void get_prompt(Request& request);
  std::span<const kvcache::PageName> readable(const Request& request) const;
  void publish(Request& request);
  void cancel(Map::iterator request);
  void give_up(Map::iterator request, GiveUp why, std::optional<Incarnation> blame,
               std::string reason);
  void refuse(LinkId link, const RequestState& request, GiveUp why, std::string reason);
  void erase(Map::iterator request);

  void collect_handoffs();
  bool go_on_here(Request& request);
  void tell_scores(RequestId request, PromptScoreRun scores);
  void conclude(Map::iterator request);
  scheduler::Standing standing(const Request& request) const;
  std::optional<Map::iterator> first_in(Phase phase);
  bool gives_way_before(const Request& a, const Request& b) const;
  void give_pages();
  void grow();
  void preempt();
  void join_batch();
  void fill(Map::iterator request);
  void run(Map::iterator request);
  std::vector<PageId> pages_of_choice(Request& request, ChoiceIndex choice);
  void compute();
  void deliver(const RunningBatch::Sampled& sampled, std::map<RequestId, Progress>& progress);
  void run_timers();
  void arm(Instant at);
  Instant next_timer(const Request& request) const;
  void release(const std::vector<PageId>& pages);
  void beat();
  uint32_t places_used() const;

  DecodeSetup setup_;
  const text::Tokenizer& tokenizer_;
  kvcache::PageNamer namer_;
  kvcache::PrefixCache cache_;
  kvcache::PrefixNews news_{kvcache::PrefixNewsLimits{}};
  Instant report_due_{};
  Instant news_due_{};  // again, if the scheduler doesn't answer to the last
  kvcache::HandoffReceiver receiver_;
  Handoffs handoffs_;
  RunningBatch batch_;
  Map requests_;
  scheduler::FairShare fair_;
  Forms forms_;
  StepId step_{0};
  DraftPolicy policy_;
  FillCosts fill_costs_;
  DraftPolicy::Step measured_;  // of the step in flight, so far
  Instant step_begun_{};
  uint64_t arrivals_ = 0;
  bool draining_ = false;
  bool drained_ = false;
  Instant drain_end_ = Instant::max();
  bool beat_due_ = true;
  std::optional<Instant> last_beat_;
  Instant next_wake_ = Instant::max();
  Instant now_;
  Actions actions_;
  DecodeCounts counts_;

  friend std::optional<std::string> broken_invariant(const DecodeState& state);
};

}  // namespace baton::decode
