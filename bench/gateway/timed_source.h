// TimedSource: what a model's speech would be, without a model: each speaker that is added says a
// token every 1/rate seconds, from a phase of its own that has nothing to do with its order.
//
// A loop that lags behind is late with the tokens, and says them with the time at which they were
// due. The gateway's engine and the bare server have the same source. Thread: the I/O thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <vector>

#include "base/clock.h"

namespace baton::bench {

class TimedSource {
 public:
  using Say = std::function<bool(Instant due)>;  // false: it has ended
  TimedSource(boost::asio::io_context& io, const Clock& clock, uint32_t tokens_per_s);

  void add(Say say);

 private:
  static constexpr Duration kTick = 1ms;
  void tick();

  const Clock& clock_;
  std::vector<std::vector<Say>> slots_;  // by phase, one a tick of the period
  boost::asio::steady_timer timer_;
  Instant next_tick_{};
  size_t slot_ = 0;
  size_t next_slot_ = 0;  // of the next speaker
};

}  // namespace baton::bench
