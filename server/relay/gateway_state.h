// GatewayState: the gateway's side of the relay, as a pure machine: from a request to its tokens.
//
// For each request: ask the scheduler to place it, submit it to decode, accept tokens by (request,
// attempt, choice, index) and the scores of its prompt's tokens by their place, and place it again
// with its token log when a worker is lost, silent or gives up: at most `attempts_max` times, those
// in which it gave way to older requests not counted, and not past its deadline. A request ends
// exactly once, with Finished or Failed. Only a first attempt is refused because the cluster is
// full; one that has been admitted waits. While the scheduler is gone requests wait for it. A
// worker that was given up is told to cancel, also when it turns up later. Every waiting state has
// a deadline. Memory: at most requests_max requests of a prompt and a token log each. Pure: no
// clock, thread, socket or chance. Thread safety: its owner's thread only.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "proto/cluster.h"
#include "proto/handoff.h"
#include "proto/request.h"
#include "server/relay/timeline.h"
#include "server/relay/token_log.h"

namespace baton::server {

struct GatewayLimits {
  size_t requests_max = 1024;
  uint32_t attempts_max = 8;
  Duration place_timeout = 2s;  // without an answer the question is put again
  Duration silence_max = 5s;    // decode says something every second
  Duration retry_min = 50ms;    // before the next attempt or question; doubles up to retry_max
  Duration retry_max = 2s;
};

// Why a request failed, for the front to say in its own protocol.
enum class Failure : uint8_t {
  full,         // the cluster is full: 429, try again after
  unavailable,  // nobody there could serve it, or all attempts are spent: 503
  deadline,     // 504
  invalid,      // no instance of this model can serve it: 400
};

struct Usage {
  uint32_t prompt_tokens = 0;
  uint32_t completion_tokens = 0;
  friend bool operator==(const Usage&, const Usage&) = default;
};

// Events.
struct Begin {  // request.id is fresh; `attempt`, `known` and `time_left` are set by the machine
  RequestState request;
  Duration time_left{};
  std::vector<uint64_t> prefix = {};  // what its pages are called, for the scheduler (Place)
};
struct ClientGone {  // nothing is delivered after this
  RequestId request;
};
struct SchedulerUp {};  // a link to it can be written to
struct SchedulerDown {};
struct SchedulerSaid {
  FromScheduler message;  // HeartbeatSeen and ClusterView are not for this machine
};
struct DecodeSaid {
  Peer from;
  FromDecode message;
};
struct DecodeDown {
  Incarnation decode;
};
struct Tick {};
using Event = std::variant<Begin, ClientGone, SchedulerUp, SchedulerDown, SchedulerSaid, DecodeSaid,
                           DecodeDown, Tick>;

// Actions.
struct TellScheduler {
  ToScheduler message;
};
struct TellDecode {  // over the link to this life of this instance; opened if there is none
  Peer decode;
  ToDecode message;
};
struct Deliver {
  RequestId request;
  std::vector<TokenEvent> tokens;        // each the next of its choice
  std::optional<PromptScoreRun> scores;  // the next of its prompt; all before the first token
};
struct Finished {
  RequestId request;
  Usage usage;
  Timeline timeline;
};
struct Failed {
  RequestId request;
  Failure why = Failure::unavailable;
  Duration retry_after{};  // with `full`
  std::string reason;      // one sentence
};
using Action = std::variant<TellScheduler, TellDecode, Deliver, Finished, Failed>;
using Actions = std::vector<Action>;

// What the machine has seen since its start: for metrics.
struct GatewayCounts {
  uint64_t begun = 0;
  uint64_t finished = 0;
  uint64_t failed = 0;
  uint64_t cancelled = 0;     // by clients; begun = finished + failed + cancelled + live
  uint64_t placed_again = 0;  // = resumed + lost_again + left_since + under way
  uint64_t resumed = 0;       // of these, those whose new instance went on
  uint64_t lost_again = 0;    // placed again once more, or failed
  uint64_t left_since = 0;    // whose client left before
  uint64_t preempted = 0;     // of these, because older requests needed the pages
  uint64_t duplicates_dropped = 0;
  uint64_t gaps = 0;
  uint64_t strays = 0;  // messages of attempts that were given up, or of no live request
};

class GatewayState {
 public:
  explicit GatewayState(GatewayLimits limits) : limits_(limits) {}

  Actions step(const Event& event, Instant now);
  std::optional<Instant> next_deadline() const;

  size_t live() const { return requests_.size(); }
  const GatewayCounts& counts() const { return counts_; }

 private:
  enum class Phase : uint8_t {
    resting,  // before it is placed: until `wake`
    placing,  // the scheduler was asked; put again at `wake`
    served,   // decode has it; silent for too long at `wake`
  };
  struct Request {
    RequestState state;
    std::vector<uint64_t> prefix;
    TokenLog log;
    Timeline timeline;
    Phase phase = Phase::resting;
    Instant begun;
    Instant attempt_begun;
    Instant placed_at;
    Instant deadline;
    Instant wake;
    Duration pause{};
    std::optional<Peer> decode;      // while served
    std::vector<Incarnation> avoid;  // at most two an attempt
    uint32_t preemptions = 0;        // attempts that were nobody's fault
    uint32_t scored = 0;             // tokens of the prompt whose scores were delivered
    bool first_token_seen = false;
    bool moving = false;  // placed again, and the new instance hasn't said anything
  };
  using Map = std::map<RequestId, Request>;

  void on(const Begin& begin);
  void on(const ClientGone& gone);
  void on(const SchedulerUp&);
  void on(const SchedulerDown&);
  void on(const SchedulerSaid& said);
  void on(const DecodeSaid& said);
  void on(const DecodeDown& down);
  void on(const Tick&) {}

  void placed(const Placed& answer);
  void not_placed(const NotPlaced& answer);
  void progress(const Peer& from, const Progress& progress);
  bool accept_scores(Request& request, const PromptScoreRun& run);
  bool accept_tokens(Request& request, const Progress& progress);
  void close_first(Request& request, const Progress& progress);
  void gave_up(const Peer& from, const GaveUp& gave_up);
  Request* current(const Peer& from, RequestId request, Attempt attempt);

  void place(Request& request);
  void rest(Request& request, Duration pause);
  void attempt_again(Map::iterator request, std::optional<Incarnation> blame,
                     const std::string& reason);
  void leave_decode(Request& request);
  void fail(Map::iterator request, Failure why, Duration retry_after, std::string reason);
  void finish(Map::iterator request);
  void forget(const Request& request);
  void arm(Request& request, Instant wake);
  void run_timers();
  void wake(Map::iterator request);

  GatewayLimits limits_;
  Map requests_;
  bool scheduler_up_ = false;
  Instant next_wake_ = Instant::max();
  Instant now_;
  Actions actions_;
  GatewayCounts counts_;

  friend std::optional<std::string> broken_invariant(const GatewayState& state);
};

}  // namespace baton::server
