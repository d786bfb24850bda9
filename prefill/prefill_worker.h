// PrefillWorker: the shell of PrefillState: links, compute thread, frames, heartbeats.
//
// Compute runs on a thread of its own and digests on another; everything else on one executor,
// which must stop running before the worker is destroyed. Thread safety: one executor.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/thread_pool.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/io/driver.h"
#include "base/observe/log.h"
#include "kvcache/transport/frame_sender.h"
#include "model/instance.h"
#include "model/step_thread.h"
#include "prefill/prefill_state.h"
#include "proto/link.h"
#include "scheduler/member.h"

namespace baton::prefill {

class PrefillWorker {
 public:
  // What it is given outlives it.
  PrefillWorker(boost::asio::any_io_executor executor, const Clock& clock, Log log,
                model::Instance& instance, const model::InstanceOptions& options,
                rpc::Connector& connector);

  // For a listener, which must be destroyed before the worker.
  rpc::Acceptors acceptors();
  // Joins the cluster under the address that the listener has bound.
  void start(const std::string& address);
  void drain(std::function<void()> drained);

 private:
  rpc::LinkEvents<ToPrefill> accept(std::unique_ptr<rpc::Link<FromPrefill>> link);
  void perform(Action& action);
  void act(TellDecode& tell);
  void act(Compute& compute);
  void act(PostFrames& post);
  void act(ForgetFrames& forget);
  void act(DigestPages& digest);
  void act(Beat& beat);
  void act(Drained&);
  MetricsSnapshot metrics() const;

  boost::asio::any_io_executor executor_;
  Log log_;
  model::Instance& instance_;
  const model::InstanceOptions options_;
  rpc::Connector& connector_;
  const Incarnation self_;
  PrefillState state_;
  Driver<PrefillState, Event, Action> driver_;
  std::unique_ptr<kvcache::FrameSender> frames_;
  std::map<LinkId, std::unique_ptr<rpc::Link<FromPrefill>>> links_;
  LinkId last_link_{0};
  std::optional<scheduler::Member> member_;
  uint64_t beats_ = 0;
  std::function<void()> drained_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);  // what is posted back holds a weak one
  boost::asio::thread_pool digests_{1};
  model::StepThread compute_;  // last: nothing may go while a step is in flight
};

}  // namespace baton::prefill
