// What goes into DecodeState and what comes out of it. Thread safety: values.
#pragma once

#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "decode/forms/forms.h"
#include "model/runner.h"
#include "proto/cluster.h"
#include "proto/handoff.h"

namespace baton::decode {

// Events.
struct GatewaySaid {
  LinkId link;
  ToDecode message;
};
struct GatewayDown {  // nobody reads its requests any more: they are cancelled
  LinkId link;
};
struct PrefillSaid {
  Peer from;
  FromPrefill message;
};
struct PrefillDown {
  Incarnation prefill;
};
struct FrameLanded {  // after receiver().landed() said admitted
  SessionId session;
};
struct Digested {  // the answer to DigestPages
  JobId job;
  std::vector<Digest> pages;
};
struct StepDone {  // the answer to Compute: a result for each of its sequences, in order
  StepId step;
  std::vector<model::SequenceResult> results;
};
struct FormCompiled {  // the answer to CompileForm
  Forms::Key key;
  Result<std::shared_ptr<constraint::Language>> language;
};
struct SchedulerSaw {  // a heartbeat; so far it knows the log of prefixes
  uint64_t position = 0;
};
struct Drain {};  // SIGTERM, or fenced: nothing new; Drained follows, to each Drain
struct Tick {};
using Event = std::variant<GatewaySaid, GatewayDown, PrefillSaid, PrefillDown, FrameLanded,
                           Digested, StepDone, FormCompiled, SchedulerSaw, Drain, Tick>;

// Actions, to be done in order.
struct TellGateway {
  LinkId link;
  FromDecode message;
};
struct TellPrefill {  // over the link to this life of this instance; opened if there is none
  Peer prefill;
  ToPrefill message;
};
struct DigestPages {  // page_digest of each; they stay as they are until Digested
  JobId job;
  std::vector<PageId> pages;
  uint32_t tokens = 0;  // over all pages: the last may be partial
};
struct CopyPage {  // before any Compute that follows
  PageId from;
  PageId to;
};
struct Compute {  // one at a time; what the spans point to stays as it is until its StepDone
  StepId step;
  std::vector<model::SequenceRows> sequences;
};
struct CompileForm {  // beside the steps
  Forms::Key key;
};
struct Beat {  // the shell adds who it is, and now and then its metrics
  Load load;
  bool draining = false;
  std::vector<std::pair<RequestId, Attempt>> accepted;
  std::optional<PrefixChanges> prefixes;  // what the scheduler doesn't know yet
  std::optional<PoolReport> pool;         // now and then
};
struct Drained {};  // nothing is left: the process may end
using Action = std::variant<TellGateway, TellPrefill, DigestPages, CopyPage, Compute, CompileForm,
                            Beat, Drained>;
using Actions = std::vector<Action>;

}  // namespace baton::decode
