// The receiving side of the hand-off, as a pure machine: sessions, leases, verified blocks.
//
// A session is opened for a job with reserved pages and lives until commit, abort or the end of its
// lease. A frame is admitted only if its session is alive, its epoch is its page's, its layer, page
// and length are the session's, and its block is not verified yet (a duplicate is counted, not
// copied). The shell then copies the bytes and reports the checksum of what it copied; only an
// equal one marks the block verified (kvcache/landing.h does the three in one). After the sender's
// seal, missing() says which blocks to ask for again; when none is left the owner compares the
// digests, distrusts the pages whose digests differ, and commits only when there are none. An
// unverified block can therefore never be read by a step. Every frame is counted by its verdict.
// An ended job leaves a tombstone (bounded in time and number): it can't be opened again. Pure: the
// time is passed in. Thread safety: its owner's thread only.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <optional>
#include <set>
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
  uint32_t crc32c = 0;  // of these bytes
  friend bool operator==(const FrameHeader&, const FrameHeader&) = default;
};

enum class FrameVerdict : uint8_t {
  admitted,         // counted once it has landed and is verified
  unknown_session,  // never opened, ended, or forged
  stale_epoch,
  out_of_range,  // layer, page or length is not the session's
  duplicate,     // verified before
  corrupt,       // the checksum of the copied bytes differs
};
inline constexpr size_t kFrameVerdicts = 6;
const char* to_string(FrameVerdict verdict);

struct SessionLimits {
  Duration lease = 10s;             // renewed by each verified frame and by renew()
  Duration tombstone = 60s;         // how long an ended job is remembered
  size_t tombstones_max = 1 << 14;  // then the oldest is forgotten first
};

class HandoffReceiver {
 public:
  HandoffReceiver(PagePool& pool, PageFormat format, SessionLimits limits);

  // Opens a session over freshly reserved pages; nothing if the pool has too few, or if the job is
  // open already or has a tombstone (an abort overtook the reserve). `session` is 128 fresh random
  // bits; `tokens` = n - 1 entries will come.
  std::optional<SessionId> open(JobId job, SessionId session, uint32_t tokens, Instant now);
  bool has_tombstone(JobId job) const { return tombstones_.contains(job); }
  // The peer says that it is alive: the lease starts anew. Nothing for a job that is not open.
  void renew(JobId job, Instant now);

  // May the frame's bytes be copied into page_of(frame)? Counts refusals.
  FrameVerdict admit(const FrameHeader& frame);
  PageId page_of(const FrameHeader& admitted) const;
  // Do the frame's bytes, verified, lie in page_of(frame), its session being open still?
  bool holds(const FrameHeader& frame) const { return judge(frame) == FrameVerdict::duplicate; }
  std::optional<JobId> job_of(SessionId session) const;
  // After the copy: `copied_crc` is the checksum of the bytes that now lie in the pool. Asks
  // admit() again, so that nothing that happened meanwhile can be overlooked.
  FrameVerdict landed(const FrameHeader& frame, uint32_t copied_crc, Instant now);

  // So many of its first pages are verified in all layers (0: not open).
  uint32_t whole_pages(JobId job) const;
  // Frames still missing, by layer, then page; empty: all verified, digests may be compared (or the
  // job is not open).
  std::vector<FrameName> missing(JobId job, size_t at_most) const;
  bool complete(JobId job) const;
  // A page whose digest differs loses its verification (all layers are to be sent again).
  void distrust(JobId job, uint32_t page);

  // Ends the session: its pages, all verified, become in_use with one reference and are the
  // caller's. Only when complete.
  std::vector<PageId> commit(JobId job, Instant now);
  // Ends it without, but for its first `pages` pages, which are whole: these become in_use as if it
  // were a commit. The others are freed; nothing for a job that is not open.
  std::vector<PageId> salvage(JobId job, uint32_t pages, Instant now);
  // Ends it without: frees its pages, leaves a tombstone. Idempotent; also for unknown jobs.
  void abort(JobId job, Instant now);
  // Aborts sessions whose lease is over and returns their jobs; forgets old tombstones.
  std::vector<JobId> expire(Instant now);
  std::optional<Instant> next_deadline() const;  // of a lease

  const std::vector<ReservedPage>* pages(JobId job) const;  // nullptr: not open
  uint32_t tokens(JobId job) const;                         // 0: not open
  size_t open_sessions() const { return sessions_.size(); }
  size_t tombstones() const { return tombstones_.size(); }
  const std::array<uint64_t, kFrameVerdicts>& frame_counts() const { return counts_; }

 private:
  struct Session {
    SessionId id;
    std::vector<ReservedPage> pages;
    uint32_t tokens = 0;
    std::vector<bool> verified;    // [layer][page]
    uint32_t missing = 0;          // blocks that are not verified
    std::vector<uint32_t> layers;  // of each page: verified
    uint32_t whole = 0;            // so many of the first pages miss none
    Instant lease_end;
  };
  FrameVerdict judge(const FrameHeader& frame) const;
  FrameVerdict count(FrameVerdict verdict);
  uint32_t length_of(const Session& session, uint32_t page) const;
  void bury(JobId job, Instant now);
  void end(std::map<JobId, Session>::iterator session, Instant now);

  PagePool& pool_;
  PageFormat format_;
  SessionLimits limits_;
  std::map<JobId, Session> sessions_;
  std::map<SessionId, JobId> by_id_;
  std::set<JobId> tombstones_;
  std::deque<std::pair<Instant, JobId>> burials_;  // of tombstones_, oldest first: until when
  std::array<uint64_t, kFrameVerdicts> counts_{};

  friend std::optional<std::string> broken_invariant(const PagePool&, const HandoffReceiver&);
};

}  // namespace baton::kvcache
