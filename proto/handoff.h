// What gateway and decode, and decode and prefill, say to each other. Thread safety: values.
//
// Walk of one request (README): Submit -> PrefillJob -> Reserve -> Reserved | NotBefore -> frames
// -> Seal -> Resend* -> Commit -> Progress... Abort and cancel are idempotent, from either side.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/hash/digest.h"
#include "proto/cluster.h"
#include "proto/ids.h"
#include "proto/request.h"

namespace baton {

// ---- gateway <-> decode ------------------------------------------------------------------------

struct Submit {
  Incarnation to;  // the life that was placed: a later one may serve another model
  RequestState request;
  std::optional<Peer> prefill;  // none: decode prefills itself
  friend bool operator==(const Submit&, const Submit&) = default;
};
struct Cancel {
  RequestId request;
  Attempt attempt;
  friend bool operator==(const Cancel&, const Cancel&) = default;
};

// Where the time of a request went, as decode saw it; parts of the time to first token.
struct DecodeTimes {
  Duration queued{};     // Submit to the prefill's Reserve (or to local prefill's start)
  Duration prefilled{};  // Reserve to the last frame's landing
  Duration exposed{};    // the last frame's landing to the commit: seal, digests, frames sent again
  Duration waited{};     // commit to joining the batch
  Duration first_step{};        // joining the batch to the first token; replayed rows included
  uint32_t cached_tokens = 0;   // no time: the prompt's entries that nobody had to compute
  uint32_t fetched_tokens = 0;  // and those of them that came from a kvstore
  std::string kvstore;          // what was asked of it and why, one sentence; empty: nothing
  friend bool operator==(const DecodeTimes&, const DecodeTimes&) = default;
};

// Tokens, in order, of one request; also sent empty now and then so that the gateway knows that the
// request is alive.
struct Progress {
  RequestId request;
  Attempt attempt;
  std::vector<TokenEvent> tokens;
  std::optional<DecodeTimes> times;  // with the first token
  // In order, all before the first token; once the last is told, a request for no tokens is over.
  std::optional<PromptScoreRun> scores;
  friend bool operator==(const Progress&, const Progress&) = default;
};

enum class GiveUp : uint8_t {
  place_again,  // this pairing can't serve it: another may
  full,         // no pages or no place in the batch: another may, or later
  deadline,     // the request's deadline has passed
  invalid,      // the request can't be served by any instance of this model
  draining,     // this instance is going: the gateway places it again with its token log
  preempted,    // older requests needed its pages: it is placed again, and no attempt is spent
};
struct GaveUp {
  RequestId request;
  Attempt attempt;
  GiveUp why = GiveUp::place_again;
  std::optional<Incarnation> blame;  // the prefill instance at fault, if it was one
  std::string reason;
  friend bool operator==(const GaveUp&, const GaveUp&) = default;
};

using ToDecode = std::variant<Submit, Cancel>;
using FromDecode = std::variant<Progress, GaveUp>;

// ---- decode <-> prefill ------------------------------------------------------------------------

// decode -> prefill: compute the entries of positions 0..n-2 of `prompt` (n tokens) and hand them
// over; the MTP entries of these positions need token n-1 too.
struct PrefillJob {
  Incarnation to;  // the life that was paired: a later one may serve another model
  JobId job;
  RequestId request;
  Attempt attempt;
  std::vector<TokenId> prompt;
  std::string tenant;
  std::string cache_salt;
  int32_t priority = 0;
  std::optional<Duration> time_left;
  // Score the prompt's tokens, with that many alternatives: all of it is computed, and PromptScores
  // come before the Seal.
  std::optional<uint32_t> prompt_logprobs;
  friend bool operator==(const PrefillJob&, const PrefillJob&) = default;
};
struct ReservedPage {
  PageId page;  // the receiver's name for it; frames say the index in this list, not the page
  Epoch epoch;
  friend bool operator==(const ReservedPage&, const ReservedPage&) = default;
};
struct Reserved {
  JobId job;
  SessionId session;
  std::vector<ReservedPage> pages;  // pages_for(n - 1), less those that are kept
  std::string frame_address;        // host:port that takes frames
  Duration lease{};                 // from now, renewed by frames that land
  uint32_t kept = 0;  // so many of the prompt's first pages decode has: nothing of them is sent
  friend bool operator==(const Reserved&, const Reserved&) = default;
};
struct NotBefore {
  JobId job;
  Duration delay{};
  friend bool operator==(const NotBefore&, const NotBefore&) = default;
};
struct FrameName {
  uint32_t layer = 0;
  uint32_t page = 0;  // index in Reserved::pages
  friend auto operator<=>(const FrameName&, const FrameName&) = default;
};
struct Resend {
  JobId job;
  SessionId session;
  std::vector<FrameName> frames;
  friend bool operator==(const Resend&, const Resend&) = default;
};
struct Commit {
  JobId job;
  SessionId session;
  friend bool operator==(const Commit&, const Commit&) = default;
};

// prefill -> decode
struct Reserve {
  JobId job;
  uint32_t pages = 0;
  friend bool operator==(const Reserve&, const Reserve&) = default;
};
struct Seal {
  JobId job;
  SessionId session;
  std::vector<Digest> pages;  // over the (layer, token) view of each page, in order
  Duration computed{};        // time the job spent computing
  uint32_t cached = 0;        // entries that were found, not computed
  uint32_t fetched = 0;       // and those of them that came from a kvstore
  std::string kvstore;        // what was asked of it and why, one sentence; empty: nothing
  friend bool operator==(const Seal&, const Seal&) = default;
};
struct PromptScores {  // in order, without a gap
  JobId job;
  PromptScoreRun scores;
  friend bool operator==(const PromptScores&, const PromptScores&) = default;
};
struct JobAlive {  // now and then while a job waits or computes
  JobId job;
  uint32_t tokens_done = 0;
  friend bool operator==(const JobAlive&, const JobAlive&) = default;
};

// Either way. Idempotent; leaves a tombstone for the job until its deadline.
struct Abort {
  JobId job;
  std::string reason;
  friend bool operator==(const Abort&, const Abort&) = default;
};

using ToPrefill = std::variant<PrefillJob, Reserved, NotBefore, Resend, Commit, Abort>;
using FromPrefill = std::variant<Reserve, Seal, PromptScores, JobAlive, Abort>;

}  // namespace baton
