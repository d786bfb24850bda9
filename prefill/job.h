// Job: one prompt on its way through a prefill instance. Thread safety: values.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
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

struct Job {
  PrefillJob order;
  LinkId link;
  uint64_t arrival = 0;
  Instant accepted;
  uint32_t group = 0;  // the DP group that computes it, from the window on
  JobPhase phase = JobPhase::queued;
  bool ended = false;         // waits only for the step or the digests that still read its pages
  bool in_step = false;       // the step in flight has rows of it
  std::vector<PageId> pages;  // of this instance's pool, from the window to the end
  std::optional<kvcache::HandoffSender> sender;  // once decode has reserved
  bool frames_wait = false;                      // posted and not yet written
  bool digesting = false;                        // the shell reads the pages
  std::vector<Digest> digests;                   // as sealed
  uint32_t computed = 0;                         // entries 0..computed-1 are in the pages
  uint32_t refusals = 0;
  Duration compute_time{};
  Instant wake = Instant::max();  // when the phase has to be looked at again
  Instant posted_at;
  Instant sealed_at;
  Instant deadline;

  uint32_t entries() const { return static_cast<uint32_t>(order.prompt.size()) - 1; }
};

}  // namespace baton::prefill
