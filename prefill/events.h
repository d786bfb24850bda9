// What goes into PrefillState and what comes out of it. Thread safety: values.
#pragma once

#include <string>
#include <utility>
#include <variant>
#include <vector>

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
struct StepDone {
  StepId step;
};
struct Digested {  // the answer to DigestPages
  JobId job;
  std::vector<Digest> pages;
};
struct Drain {};  // SIGTERM: nothing new; Drained follows
struct Tick {};
using Event = std::variant<DecodeSaid, DecodeDown, LayerDone, StepDone, Digested, Drain, Tick>;

// Actions, to be done in order.
struct TellDecode {
  LinkId link;
  FromPrefill message;
};
struct Compute {  // one at a time; what the spans point to stays as it is until its StepDone
  StepId step;
  std::vector<model::SequenceRows> sequences;
};
// One block of a page, read from this instance's pool when it is sent.
struct OutgoingFrame {
  FrameName name;       // layer, and index of the page in the session
  PageId from;          // of this pool
  Epoch epoch;          // of the receiver's page
  uint32_t tokens = 0;  // in this page
  friend bool operator==(const OutgoingFrame&, const OutgoingFrame&) = default;
};
struct PostFrames {
  SessionId session;
  std::string frame_address;
  std::vector<OutgoingFrame> frames;
};
struct CancelFrames {  // what is not on its way yet need not be sent
  SessionId session;
};
struct DigestPages {  // page_digest of each; they stay as they are until Digested
  JobId job;
  std::vector<PageId> pages;
  uint32_t tokens = 0;  // over all pages: the last may be partial
};
struct Beat {  // the shell adds who it is, and now and then its metrics
  Load load;
  bool draining = false;
  std::vector<std::pair<RequestId, Attempt>> accepted;
};
struct Drained {};  // nothing is left: the process may end
using Action =
    std::variant<TellDecode, Compute, PostFrames, CancelFrames, DigestPages, Beat, Drained>;
using Actions = std::vector<Action>;

}  // namespace baton::prefill
