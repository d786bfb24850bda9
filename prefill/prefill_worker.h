// PrefillWorker: the shell of PrefillState: links, compute thread, frames, heartbeats.
//
// Compute runs on a thread of its own and digests on another; everything else on one executor,
// which must stop running before the worker is destroyed. Thread safety: one executor.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/io/driver.h"
#include "base/observe/log.h"
#include "kvcache/client/store_group.h"
#include "kvcache/digest_thread.h"
#include "kvcache/transport/frame_sender.h"
#include "model/instance.h"
#include "model/step_thread.h"
#include "prefill/prefill_state.h"
#include "proto/accepted_links.h"
#include "scheduler/member.h"

namespace baton::prefill {

struct PrefillOptions {
  model::InstanceOptions instance;
  bool prefix_caching = true;
  // Under which tenants' prefixes are named. Empty: one is drawn, for this life only.
  std::string cache_secret;
  std::vector<kvcache::PinnedPrefix> pinned;
  bool kvstore = true;                // those that the scheduler knows are used
  std::vector<std::string> kvstores;  // host:port; these and no others, if there are any
};

class PrefillWorker {
 public:
  // What it is given outlives it.
  PrefillWorker(boost::asio::any_io_executor executor, const Clock& clock, Log log,
                model::Instance& instance, const PrefillOptions& options,
                rpc::Connector& connector);

  // For a listener, which must be destroyed before the worker.
  rpc::Acceptors acceptors();
  // Joins the cluster under the address that the listener has bound. Fenced by a newer life of its
  // name it drains, then calls `fenced`: the process must end.
  void start(const std::string& address, std::function<void()> fenced);
  void drain(std::function<void()> drained);

 private:
  void perform(Action& action);
  void act(TellDecode& tell);
  void act(Compute& compute);
  void act(PostFrames& post);
  void act(ForgetFrames& forget);
  void act(CopyPage& copy);
  void act(DigestPages& digest);
  void act(LookUpPages& look_up);
  void act(ReadPages& read);
  void act(ForgetStoreOrder& forget);
  void act(KeepPages& keep);
  void act(Beat& beat);
  void act(Drained&);
  std::unique_ptr<kvcache::StoreGroup> make_stores(const PrefillOptions& options,
                                                   const Clock& clock);
  void saw(const HeartbeatSeen& seen);
  void know_stores(const std::vector<kvcache::StoreAt>& stores);
  MetricsSnapshot metrics() const;

  boost::asio::any_io_executor executor_;
  Log log_;
  model::Instance& instance_;
  const model::InstanceOptions options_;
  const std::vector<kvcache::StoreAt> kvstores_;
  rpc::Connector& connector_;
  const Incarnation self_;
  PrefillState state_;
  Driver<PrefillState, Event, Action> driver_;
  kvcache::RunningDigests running_digests_;
  std::unique_ptr<kvcache::FrameSender> frames_;
  std::unique_ptr<kvcache::StoreGroup> stores_;  // if kvstores may be used
  rpc::AcceptedLinks<FromPrefill, ToPrefill> links_;
  std::optional<scheduler::Member> member_;
  uint64_t beats_ = 0;
  std::function<void()> drained_;
  kvcache::DigestThread digests_;
  model::StepThread compute_;  // last: nothing may go while a step is in flight
};

}  // namespace baton::prefill
