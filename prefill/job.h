// Job: one prompt on its way through a prefill instance. Thread safety: values.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "kvcache/client/orders.h"
#include "kvcache/prefix/page_name.h"
#include "kvcache/sender.h"
#include "proto/handoff.h"

namespace baton::prefill {

enum class JobPhase : uint8_t {
  queued,     // outside the window; not before `wake`
  reserving,  // in the window, holds own pages; decode was asked
  computing,  // decode has reserved: chunks are computed and their layers posted
  posted,     // all is computed and posted; frames are written and digests computed
  sealed,     // decode compares, asks for frames again, or commits
};

// What a job has to do with the kvstore. While it asks or reads nothing of it is computed.
enum class StorePhase : uint8_t { none, asked, reading };

struct StoreVisit {
  StorePhase phase = StorePhase::none;
  kvcache::StoreOrder order;
  uint32_t first = 0;   // of the job's pages: the next one to come,
  uint32_t end = 0;     // and the one after the last
  bool served = false;  // the read did not only wait its turn,
  Instant served_at;    // since then
  uint32_t came = 0;
  uint32_t fetched = 0;  // entries that came
  Instant begun;
  Instant deadline = Instant::max();
  std::string says;  // what has come of it and why, for people; empty: it was not asked
};

struct Job {
  PrefillJob order;
  LinkId link;
  uint64_t arrival = 0;
  Instant accepted;
  uint32_t group = 0;  // the DP group that computes it, from the window on
  JobPhase phase = JobPhase::queued;
  bool ended = false;    // waits only for the step or the digests that still read its pages
  bool in_step = false;  // the step in flight has rows of it
  // Of the prompt's entries; and whether what is known of them may be taken instead of computed.
  kvcache::PromptNames names;
  bool reads_cache = false;
  std::vector<PageId> pages;  // of this instance's pool, from the window to the end
  // Of the first pages, which are complete: under which page each is listed in the prefix cache.
  // That is the page itself, or that of somebody who has computed the same; the job holds both.
  std::vector<PageId> listed;
  std::optional<kvcache::HandoffSender> sender;  // once decode has reserved
  bool frames_wait = false;                      // posted and not yet written
  bool digesting = false;                        // the shell reads the pages
  std::vector<Digest> digests;                   // of the pages sent, as far as they are told of
  uint32_t computed = 0;                         // entries 0..computed-1 are in the pages
  uint32_t cached = 0;                           // so many of them were found, not computed
  uint32_t charged = 0;                          // tokens that its tenant was charged for it
  uint32_t found = 0;        // entries before that are to be posted without being computed
  uint32_t found_layer = 0;  // the layers before that have been
  StoreVisit store;
  uint32_t refusals = 0;
  Duration compute_time{};
  Instant wake = Instant::max();    // when the phase has to be looked at again
  Instant posted_first, posted_at;  // the first frames, and all
  Instant sealed_at;
  Instant deadline;

  uint32_t entries() const { return static_cast<uint32_t>(order.prompt.size()) - 1; }
};

}  // namespace baton::prefill
