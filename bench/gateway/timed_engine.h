// TimedEngine: an Engine without a cluster: tokens come at once, or at a steady rate (TimedSource),
// and each says when it was due, so that a client can tell how much later it has it.
// Thread: the I/O thread.
#pragma once

#include <memory>
#include <optional>

#include "bench/gateway/timed_source.h"
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
  struct Stream;
  class Handle;

  static bool say(Stream& stream, Instant due);  // false: it has ended

  boost::asio::io_context& io_;
  const Clock& clock_;
  ClusterView cluster_;
  std::optional<TimedSource> source_;
};

}  // namespace baton::bench
