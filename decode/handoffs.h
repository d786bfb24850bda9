// Handoffs: decode's side of the jobs that prefill instances do for it.
//
// A job is queued at its prefill, then receiving into reserved pages, then sealed, then digesting,
// then over: the prompt's pages are whole and verified and committed, or the job has failed and
// holds nothing. A reservation is all or nothing and includes the pages for the answer's first
// tokens. What the prefix cache has of the prompt is taken when it is made, and not sent; one page
// is sent at least. One that was refused several times has its room kept from those that came
// later. Messages may come twice, late, or not at all: each waiting state has a deadline, an
// unknown job is answered with an Abort. Scores of the prompt's tokens are passed on as they come;
// a job is sealed only when it has all that it asked for. A seal of fewer pages than the job has
// says what is final so far: these are compared when they have come, while the rest is computed.
// However a job ends, the pages that agreed stay in the cache under their names, so that whoever
// goes on finds them. Invariants: a session is open exactly for
// the jobs that receive; only these hold growth pages and pages of the cache. Thread safety: its
// owner's.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "decode/events.h"
#include "decode/limits.h"
#include "kvcache/handoff.h"
#include "kvcache/prefix/prefix_cache.h"

namespace baton::decode {

using DrawId = std::function<uint64_t()>;  // 64 unpredictable bits

class Handoffs {
 public:
  // `limits`, `cache` and `receiver` must outlive it.
  Handoffs(const DecodeLimits& limits, kvcache::PrefixCache& cache,
           kvcache::HandoffReceiver& receiver, std::string frame_address, Duration lease,
           DrawId draw);

  // Where frames go; set before the first job if it was not known at construction.
  void set_frame_address(std::string address) { frame_address_ = std::move(address); }

  // Queues the prompt at `prefill`; what is known of the pages called `names`, its first ones, is
  // not sent. A request has at most one job.
  void start(const RequestState& request, const Peer& prefill, Duration time_left,
             std::vector<kvcache::PageName> names, Instant now);
  // Ends the request's job, if there is one: frees its pages, tells its prefill.
  void cancel(RequestId request, const std::string& reason, Instant now);

  void on(const PrefillSaid& said, Instant now);
  void on(const PrefillDown& down, Instant now);
  void on(const FrameLanded& landed, Instant now);
  void on(const Digested& digested, Instant now);
  void run_timers(Instant now);
  std::optional<Instant> next_deadline() const;

  // What has happened since the last call.
  struct Done {
    RequestId request;
    std::vector<PageId> prompt_pages;  // in use, a reference to each, whole and verified
    std::vector<PageId> growth_pages;  // reserved
    Instant reserved, landed;
    uint32_t cached = 0;   // entries that prefill has found, not computed
    uint32_t fetched = 0;  // and those of them that came from a kvstore
    std::string kvstore;   // what prefill says of it
    uint32_t kept = 0;     // pages, from the first on, that were here already
  };
  struct Lost {
    RequestId request;
    GiveUp why = GiveUp::place_again;
    std::optional<Incarnation> blame;
    std::string reason;
    uint32_t kept = 0;  // pages that were here before the job
  };
  struct Scored {
    RequestId request;
    PromptScoreRun scores;
  };
  std::vector<Scored> take_scored() { return std::exchange(scored_, {}); }
  std::vector<Done> take_done() { return std::exchange(done_, {}); }
  std::vector<Lost> take_lost() { return std::exchange(lost_, {}); }
  Actions take_actions() { return std::exchange(actions_, {}); }

  size_t size() const { return by_request_.size(); }
  size_t queued() const;                                 // at their prefill, without pages here
  uint64_t salvaged_pages() const { return salvaged_; }  // of jobs that were not committed
  // Pages that queued jobs will ask for: promised in the load, not yet reserved.
  uint64_t promised_pages() const;
  bool holds_pages(RequestId request) const;
  struct Holding {  // pages, and those of them that frames are to come for
    uint32_t pages = 0;
    uint32_t in_flight = 0;
  };
  Holding holding(RequestId request) const;

 private:
  enum class Phase : uint8_t { queued, receiving, sealed, digesting };
  struct Job {
    RequestId request;
    Peer prefill;
    uint32_t tokens = 0;  // n - 1
    PageNeed need;
    std::vector<kvcache::PageName> names;  // of its first pages, that may be taken from the cache
    std::vector<PageId> kept;              // those that were, once pages are reserved
    Phase phase = Phase::queued;
    bool ended = false;    // held only until the shell no longer reads its pages for digests
    bool reading = false;  // it does, those from `read_from` on, `read` of them
    uint32_t read_from = 0, read = 0;
    uint32_t agreed = 0;  // of the pages that are sent, from the first on: their digests did
    SessionId session;
    std::vector<PageId> growth;
    std::vector<Digest> digests;  // as sealed, or of the first pages so far
    uint32_t cached = 0;          // as sealed: entries that were not computed
    uint32_t fetched = 0;         // those that came from a kvstore
    std::string kvstore;
    bool wants_scores = false;
    uint32_t scored = 0;  // tokens of the prompt, the first not counted
    uint64_t number = 0;  // grows from job to job
    uint32_t refusals = 0;
    bool refused_last = false;
    uint32_t resends = 0;        // in a row, without a frame landing in between
    uint32_t disagreements = 0;  // digests that differed
    Instant heard, asked, reserved, landed, resend_at;
  };
  using Map = std::map<JobId, Job>;

  void message(const Peer& from, const Reserve& reserve, Instant now);
  void message(const Peer& from, const Seal& seal, Instant now);
  void message(const Peer& from, const PromptScores& scores, Instant now);
  void message(const Peer& from, const JobAlive& alive, Instant now);
  void message(const Peer& from, const Abort& abort, Instant now);
  Job* known(const Peer& from, JobId job);
  void refuse(JobId id, Job& job);
  void answer(JobId id, const Job& job);
  void reserve(JobId id, Job& job, Instant now);
  uint32_t sent_pages(const Job& job) const;
  uint64_t claimed_before(const Job& job, Instant now) const;
  void compare(JobId id, Job& job, Instant now);
  void compare_so_far(JobId id, Job& job);
  void read(JobId id, Job& job, uint32_t end);
  void ask_again(JobId id, Job& job, Instant now);
  void lose(JobId id, GiveUp why, bool blame, bool tell, const std::string& reason, Instant now);
  void release(JobId id, Job& job, Instant now);
  void free(JobId id, Job& job, Instant now);
  void salvage(JobId id, Job& job, Instant now);

  const DecodeLimits& limits_;
  kvcache::PrefixCache& cache_;
  kvcache::HandoffReceiver& receiver_;
  std::string frame_address_;
  Duration lease_;
  DrawId draw_;
  Map jobs_;
  uint64_t jobs_begun_ = 0;
  uint64_t salvaged_ = 0;
  std::map<RequestId, JobId> by_request_;
  std::vector<Scored> scored_;
  std::vector<Done> done_;
  std::vector<Lost> lost_;
  Actions actions_;

  friend std::optional<std::string> broken_invariant(const class DecodeState& state);
};

}  // namespace baton::decode
