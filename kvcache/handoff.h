// The receiving side of the hand-off, as a pure machine: sessions, leases, verified blocks.
//
// A session is opened for a job with reserved pages and lives until commit, abort or the end of its
// lease. A frame is admitted only if its session is alive, its epoch is its page's, its layer, page
// and length are the session's, and its block is not verified yet (a duplicate is counted, not
// copied). The shell then copies the bytes and reports the checksum of what it copied; only an
// equal one marks the block verified. seal() says which blocks are missing, or that the digests are
// to be compared; commit happens only when all blocks are verified and all digests agree. An
// unverified block can therefore never be read by a step. Every refused frame is counted by its
// reason. Pure: the time is passed in. Thread safety: its owner's thread only.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "kvcache/page_pool.h"
#include "kvcache/pool_memory.h"
#include "proto/handoff.h"

namespace baton::kvcache {

// What a frame says of itself; on the wire in kvcache/frame.h.
struct FrameHeader {
  SessionId session;
  Epoch epoch;
  uint32_t layer = 0;
  uint32_t page = 0;    // index in the session's list of pages
  uint32_t length = 0;  // bytes: tokens in this page * entry_bytes
  uint32_t crc32c = 0;
  friend bool operator==(const FrameHeader&, const FrameHeader&) = default;
};

enum class FrameVerdict : uint8_t {
  admitted,
  unknown_session,  // never opened, ended, or forged
  stale_epoch,
  out_of_range,  // layer, page or length is not the session's
  duplicate,     // verified before
  corrupt,       // the checksum of the copied bytes differs
};
inline constexpr size_t kFrameVerdicts = 6;
const char* to_string(FrameVerdict verdict);

struct SessionLimits {
  Duration lease = 10s;      // renewed by each verified frame
  Duration tombstone = 60s;  // how long an ended job is remembered
};

class HandoffReceiver {
 public:
  HandoffReceiver(PagePool& pool, PageFormat format, SessionLimits limits);

  // Opens a session over freshly reserved pages; nothing if the pool has too few, or if the job has
  // a tombstone (an abort overtook the reserve). `tokens` = n - 1 entries will come.
  std::optional<SessionId> open(JobId job, SessionId session, uint32_t tokens, Instant now);
  bool has_tombstone(JobId job) const;

  // The page a frame may be copied into, or why not. Counts refusals.
  FrameVerdict admit(const FrameHeader& frame);
  PageId page_of(const FrameHeader& admitted) const;
  // After the copy: `copied_crc` is the checksum of the bytes that now lie in the pool.
  FrameVerdict landed(const FrameHeader& frame, uint32_t copied_crc, Instant now);

  // Frames still missing; empty: all verified, digests may be compared.
  std::vector<FrameName> missing(JobId job, size_t at_most) const;
  bool complete(JobId job) const;
  // A page whose digest differs loses its verification (all layers are to be sent again).
  void distrust(JobId job, uint32_t page);

  // Ends the session: its pages, all verified, become in_use with one reference and are the
  // caller's. Only when complete.
  std::vector<PageId> commit(JobId job, Instant now);
  // Ends it without: frees its pages, leaves a tombstone. Idempotent; also for unknown jobs.
  void abort(JobId job, Instant now);
  // Ends sessions whose lease is over; returns their jobs.
  std::vector<JobId> expire(Instant now);
  std::optional<Instant> next_deadline() const;

  const std::vector<ReservedPage>* pages(JobId job) const;
  uint32_t tokens(JobId job) const;
  size_t open_sessions() const { return sessions_.size(); }
  const std::array<uint64_t, kFrameVerdicts>& frame_counts() const { return counts_; }

 private:
  struct Session {
    SessionId id;
    std::vector<ReservedPage> pages;
    uint32_t tokens = 0;
    std::vector<bool> verified;  // [layer][page]
    uint32_t missing = 0;
    Instant lease_end;
  };
  uint32_t length_of(const Session& session, uint32_t page) const;
  void end(JobId job, Instant now);

  PagePool& pool_;
  PageFormat format_;
  SessionLimits limits_;
  std::map<JobId, Session> sessions_;
  std::map<SessionId, JobId> by_id_;
  std::map<JobId, Instant> tombstones_;  // until when
  std::array<uint64_t, kFrameVerdicts> counts_{};
};

}  // namespace baton::kvcache
