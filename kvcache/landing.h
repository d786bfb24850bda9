// land(): a frame's bytes, wherever they came from, admitted, copied and verified in one.
//
// The one place that writes into a pool for a peer; every transport ends here, the simulated one
// too. Between the admission and the verdict nothing else can run, so a session that ends meanwhile
// can't be written to. Thread safety: the owner's thread of receiver and pool.
#pragma once

#include <optional>
#include <span>

#include "kvcache/handoff.h"
#include "kvcache/pool_memory.h"

namespace baton::kvcache {

// What became of a frame.
struct Landing {
  FrameVerdict verdict = FrameVerdict::unknown_session;
  SessionId session;         // as the header says
  std::optional<JobId> job;  // none: the session is unknown
  FrameName frame;           // as the header says
  uint32_t bytes = 0;        // that were copied and verified
  bool complete = false;     // the job misses no block any more
};

// `bytes` has the header's length. It may change meanwhile (another process's memory): what counts
// is what was copied.
Landing land(HandoffReceiver& receiver, PoolMemory& pool, const FrameHeader& header,
             std::span<const std::byte> bytes, Instant now);

}  // namespace baton::kvcache
