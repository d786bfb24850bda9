// TimedEngine: an Engine without a cluster: tokens come at once, or at a steady rate, and each says
// when it was due, so that a client can tell how much later it has it.
//
// At a rate, a request's tokens are due every 1/rate seconds from a phase of its own; a loop that
// lags behind is late with them, which counts. Thread: the I/O thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <unordered_map>
#include <vector>

#include "server/engine.h"

namespace baton::bench {

class TimedEngine final : public server::Engine {
 public:
  // tokens_per_s: 0 is at once.
  TimedEngine(boost::asio::io_context& io, const Clock& clock, uint32_t tokens_per_s);

  std::unique_ptr<server::Generation> submit(RequestState request,
                                             server::GenerationEvents events) override;
  server::Readiness readiness() const override { return {true, {}, {}}; }
  const ClusterView& cluster() const override { return cluster_; }
  void rebalance(Incarnation) override {}

 private:
  static constexpr Duration kTick = 1ms;
  struct Stream;
  class Handle;

  void tick();
  bool say(const std::shared_ptr<Stream>& stream, Instant due);  // false: it has ended

  boost::asio::io_context& io_;
  const Clock& clock_;
  const uint32_t tokens_per_s_;
  ClusterView cluster_;
  std::vector<std::vector<std::shared_ptr<Stream>>> slots_;  // by phase, one a tick of the period
  boost::asio::steady_timer timer_;
  Instant next_tick_{};
  size_t slot_ = 0;
  size_t next_slot_ = 0;  // of the next request
};

}  // namespace baton::bench
