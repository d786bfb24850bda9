// Gateway: the shell around GatewayState: links to the scheduler and to decode instances, timers,
// and the readiness probe. It is the Engine that the fronts use.
//
// Events are queued and worked off in turns of the executor, never from inside a caller. A lost
// scheduler is sought again for ever, with growing pauses; what runs goes on meanwhile. A request
// of one token is sent through the cluster at start and after each change of membership; until a
// token came back (the probe's, or any request's that began after the change) it isn't ready.
// Thread: the executor's.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/observe/log.h"
#include "base/observe/metrics.h"
#include "kvcache/prefix/page_name.h"
#include "proto/link.h"
#include "server/engine.h"
#include "server/readiness_state.h"
#include "server/relay/gateway_state.h"

namespace baton::server {

struct GatewayOptions {
  std::string scheduler;  // host:port
  GatewayLimits limits;
  Duration deadline = 600s;       // of a request, queueing and generation together
  Duration reconnect_min = 50ms;  // doubles up to reconnect_max
  Duration reconnect_max = 2s;
  // That prefill instances share: then the scheduler is told what a prompt's pages are called, and
  // can send it to where they lie. Empty: it is not told.
  std::string cache_secret;
  RequestState probe;  // one token of it shows that the cluster serves
};

class Gateway final : public Engine {
 public:
  Gateway(boost::asio::any_io_executor executor, GatewayOptions options, const Clock& clock,
          rpc::Connector& connector, std::function<uint64_t()> draw, Metrics& metrics, Log log);
  ~Gateway() override;

  std::unique_ptr<Generation> submit(RequestState request, GenerationEvents events) override;
  Readiness readiness() const override { return readiness_.readiness(); }
  const ClusterView& cluster() const override { return cluster_; }
  void rebalance(Incarnation instance) override { tell_scheduler(Rebalance{instance}); }

  void drain();  // not ready any more; what runs goes on
  size_t live() const { return requests_.size(); }
  // Called whenever readiness has changed.
  void on_readiness(std::function<void(const Readiness&)> changed) { told_ = std::move(changed); }

 private:
  class Handle;
  struct Running {
    GenerationEvents events;
    uint64_t membership = 0;  // when it began
  };
  struct DecodeLink {
    std::unique_ptr<rpc::Link<ToDecode>> link;
  };

  std::vector<uint64_t> prefix_of(const RequestState& request) const;
  void enqueue(Event event);
  void work_off();
  void act(Action action);
  void tell_scheduler(ToScheduler message);
  void tell_decode(TellDecode tell);
  void deliver(const Deliver& deliver);
  void connect_scheduler();
  void scheduler_said(FromScheduler message);
  void scheduler_down(const Error& error);
  void arm_timer();
  void probe_if_due();
  void arm_probe();
  void tell_readiness();
  void cancelled(RequestId id);
  void count();

  boost::asio::any_io_executor executor_;
  GatewayOptions options_;
  const Clock& clock_;
  rpc::Connector& connector_;
  std::function<uint64_t()> draw_;
  Log log_;
  GatewayState state_;
  ReadinessState readiness_;
  ClusterView cluster_;
  std::optional<kvcache::PageNamer> namer_;  // as the prefill instances name pages
  std::unique_ptr<rpc::Link<ToScheduler>> scheduler_;
  std::map<Incarnation, DecodeLink> decodes_;
  std::vector<DecodeLink> dead_;  // links that are down, until the next turn
  std::unordered_map<RequestId, std::shared_ptr<Running>> requests_;
  std::deque<Event> events_;
  bool scheduled_ = false;
  Duration reconnect_pause_{};
  boost::asio::steady_timer wake_;
  boost::asio::steady_timer reconnect_;
  boost::asio::steady_timer probe_again_;
  std::unique_ptr<Generation> probe_;
  std::function<void(const Readiness&)> told_;
  Readiness last_told_;
  std::shared_ptr<bool> alive_;
  GatewayCounts counted_;
  prometheus::Counter& resumed_;
  prometheus::Counter& lost_again_;
  prometheus::Counter& left_since_;
  prometheus::Counter& cancelled_;
  prometheus::Counter& strays_;
  prometheus::Gauge& live_;
};

}  // namespace baton::server
