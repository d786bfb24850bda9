// land(): a frame's bytes, wherever they came from, admitted, copied and verified in one.
//
// The one place that writes into a pool for a peer; every transport ends here, the simulated one
// too. Between the admission and the verdict nothing else can run, so a session that ends meanwhile
// can't be written to. A transport that receives a block in its place asks for that place anew
// whenever something else may have run (place_of), and has the bytes that lie there verified when
// all have come (land_in_place). What is verified goes into the running digests, if any
// are given. Thread safety: the owner's thread of receiver and pool.
#pragma once

#include <optional>
#include <span>

#include "kvcache/handoff.h"
#include "kvcache/pool_memory.h"
#include "kvcache/running_digests.h"

namespace baton::kvcache {

// What became of a frame.
struct Landing {
  FrameVerdict verdict = FrameVerdict::unknown_session;
  SessionId session;         // as the header says
  std::optional<JobId> job;  // none: the session is unknown
  FrameName frame;           // as the header says
  uint32_t bytes = 0;        // that were copied and verified
  bool complete = false;     // the job misses no block any more
  bool digested = false;     // the block went into the running digests
};

// `bytes` has the header's length. It may change meanwhile (another process's memory): what counts
// is what was copied.
Landing land(HandoffReceiver& receiver, PoolMemory& pool, const FrameHeader& header,
             std::span<const std::byte> bytes, Instant now, RunningDigests* digests = nullptr);

// Where the frame's bytes may be written until anything else runs, if it is admitted. The block is
// not verified, so nobody reads what is written there. A refusal is counted: it is asked once.
struct Place {
  Landing landing;
  std::span<std::byte> block;  // empty: refused, as the landing says
};
Place place_of(HandoffReceiver& receiver, PoolMemory& pool, const FrameHeader& header);

// The frame's bytes lie in their place: they are verified as they lie there.
Landing land_in_place(HandoffReceiver& receiver, PoolMemory& pool, const FrameHeader& header,
                      Instant now, RunningDigests* digests = nullptr);

}  // namespace baton::kvcache
