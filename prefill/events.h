// What goes into PrefillState and what comes out of it. Thread safety: values.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "kvcache/client/orders.h"
#include "kvcache/sender.h"
#include "model/runner.h"
#include "proto/cluster.h"
#include "proto/handoff.h"

namespace baton::prefill {

// Events.
struct DecodeSaid {
  LinkId link;
  ToPrefill message;
};
struct DecodeDown {  // its jobs are ended
  LinkId link;
};
struct LayerDone {  // of all rows of the step in flight; layers come in order, the MTP layer last
  StepId step;
  uint32_t layer = 0;
};
struct StepDone {  // a result for each of the step's sequences, in order
  StepId step;
  std::vector<model::SequenceResult> results;
};
struct FramesWritten {  // no posted frame of the session waits any more
  SessionId session;
};
struct FramesDropped {  // the way to its receiver is down, or too many frames wait
  SessionId session;
};
struct Digested {  // the answer to DigestPages
  JobId job;
  std::vector<Digest> pages;
};
struct SchedulerSaw {  // a heartbeat; so far it knows the log of prefixes
  uint64_t position = 0;
};
struct StoresKnown {  // so many kvstores are there to be asked; none at first
  size_t stores = 0;
};
struct StoreHeld {  // the answer to LookUpPages; nothing: no kvstore can be asked
  kvcache::StoreOrder order;
  std::optional<uint32_t> pages;
};
struct StoreReadBegan {  // the turn of ReadPages has come: it waits for no other order
  kvcache::StoreOrder order;
};
struct StorePageCame {  // the next page of ReadPages lies in its place, whole
  kvcache::StoreOrder order;
};
struct StoreReadEnded {  // no more pages come
  kvcache::StoreOrder order;
};
struct PagesKept {  // the answer to KeepPages
  uint32_t stored = 0;
};
struct Drain {};  // SIGTERM, or fenced: nothing new; Drained follows, to each Drain
struct Tick {};
using Event = std::variant<DecodeSaid, DecodeDown, LayerDone, StepDone, FramesWritten,
                           FramesDropped, Digested, SchedulerSaw, StoresKnown, StoreHeld,
                           StoreReadBegan, StorePageCame, StoreReadEnded, PagesKept, Drain, Tick>;

// Actions, to be done in order.
struct TellDecode {
  LinkId link;
  FromPrefill message;
};
struct Compute {  // one at a time; what the spans point to stays as it is until its StepDone
  StepId step;
  std::vector<model::SequenceRows> sequences;
};
// FrameSender::post; if it refuses, FramesDropped follows.
struct PostFrames {
  std::string frame_address;
  std::vector<kvcache::OutgoingFrame> frames;  // of one session
};
struct ForgetFrames {  // FrameSender::forget, before the next action: its pages get free
  SessionId session;
};
struct CopyPage {  // the first tokens of each layer, before any action that follows
  PageId from, to;
  uint32_t tokens = 0;
};
struct DigestPages {  // page_digest of each; they stay as they are until Digested
  JobId job;
  std::vector<PageId> pages;
  uint32_t tokens = 0;  // over all pages: the last may be partial
};
struct LookUpPages {  // how many of them, from the first on, do the kvstores hold?
  kvcache::StoreOrder order;
  kvcache::PromptPages pages;
};
struct ReadPages {  // page by page, into pages that nobody else reads or writes until the end
  kvcache::StoreOrder order;
  kvcache::PromptPages pages;
  std::vector<PageId> into;
};
struct ForgetStoreOrder {  // before the next action: its pages become others'
  kvcache::StoreOrder order;
  bool late = false;  // it has not been answered in time
};
struct KeepPages {  // in kvstores; one at a time; they stay as they are until PagesKept
  std::vector<kvcache::KeptPage> pages;
};
struct Beat {  // the shell adds who it is, and now and then its metrics
  Load load;
  bool draining = false;
  // All that the load includes, and what has ended since the last beat: else a job that comes and
  // goes between two beats would stay charged to this instance for as long as its request runs.
  std::vector<std::pair<RequestId, Attempt>> accepted;
  std::optional<PrefixChanges> prefixes;  // what the scheduler doesn't know yet
  std::optional<PoolReport> pool;         // now and then
};
struct Drained {};  // nothing is left: the process may end
using Action = std::variant<TellDecode, Compute, PostFrames, ForgetFrames, CopyPage, DigestPages,
                            LookUpPages, ReadPages, ForgetStoreOrder, KeepPages, Beat, Drained>;
using Actions = std::vector<Action>;

}  // namespace baton::prefill
