// DecodeWorker: the shell of DecodeState: links, landing frames, compute thread, heartbeats.
//
// Compute runs on a thread of its own and digests on another; everything else on one executor,
// which must stop running before the worker is destroyed. Thread safety: one executor.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/io/driver.h"
#include "base/observe/log.h"
#include "decode/decode_state.h"
#include "decode/forms/form_compiler.h"
#include "kvcache/digest_thread.h"
#include "kvcache/transport/frame_server.h"
#include "model/instance.h"
#include "model/step_thread.h"
#include "model/text/tokenizer.h"
#include "proto/accepted_links.h"
#include "scheduler/member.h"

namespace baton::decode {

struct DecodeOptions {
  model::InstanceOptions instance;
  uint16_t frame_port = 0;
  uint32_t draft_tokens = 1;
  uint32_t local_prefill_tokens = 0;
  bool prefix_caching = true;
  std::vector<kvcache::PinnedPrefix> pinned;
  // Under which tenants' prefixes are named. Empty: one is drawn, for this life only.
  std::string cache_secret;
};

// A step needs room for a row of every sequence, its drafts and some rows to fill: raises
// max_batched_tokens to that. To be called before the instance is opened.
void fit_rows(DecodeOptions& options);

class DecodeWorker {
 public:
  // What it is given outlives it. Binds the frame port.
  static Result<std::unique_ptr<DecodeWorker>> create(
      boost::asio::any_io_executor executor, const Clock& clock, Log log, model::Instance& instance,
      const text::Tokenizer& tokenizer, const DecodeOptions& options, rpc::Connector& connector);

  // For a listener, which must be destroyed before the worker.
  rpc::Acceptors acceptors();
  // Joins the cluster under the address that the listener has bound. Fenced by a newer life of its
  // name it drains, then calls `fenced`: the process must end.
  void start(const std::string& address, std::function<void()> fenced);
  void drain(std::function<void()> drained);
  const std::string& frame_address() const { return frame_server_->address(); }

 private:
  DecodeWorker(boost::asio::any_io_executor executor, const Clock& clock, Log log,
               model::Instance& instance, const text::Tokenizer& tokenizer,
               const DecodeOptions& options, rpc::Connector& connector);

  rpc::Link<ToPrefill>& link_to(const Peer& prefill);
  void landed(const kvcache::Landing& landing);
  void perform(Action& action);
  void act(TellGateway& tell);
  void act(TellPrefill& tell);
  void act(DigestPages& digest);
  void act(CopyPage& copy);
  void act(Compute& compute);
  void act(CompileForm& order);
  void act(Beat& beat);
  void act(Drained&);
  MetricsSnapshot metrics();

  boost::asio::any_io_executor executor_;
  Log log_;
  model::Instance& instance_;
  const DecodeOptions options_;
  rpc::Connector& connector_;
  const Incarnation self_;
  FormCompiler forms_;  // before the state, whose languages look into its vocabulary
  DecodeState state_;
  Driver<DecodeState, Event, Action> driver_;
  kvcache::RunningDigests running_digests_;
  std::unique_ptr<kvcache::FrameServer> frame_server_;
  rpc::AcceptedLinks<FromDecode, ToDecode> gateways_;
  std::map<Incarnation, std::unique_ptr<rpc::Link<ToPrefill>>> prefills_;
  std::optional<scheduler::Member> member_;
  uint64_t beats_ = 0;
  std::function<void()> drained_;
  kvcache::DigestThread digests_;
  model::StepThread compute_;  // last: nothing may go while a step is in flight
};

}  // namespace baton::decode
