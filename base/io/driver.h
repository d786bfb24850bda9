// Driver: makes a pure machine live: feeds it events, does its actions in order, wakes it in time.
//
// State has Actions step(const Event&, Instant) and next_deadline(). What `perform` feeds back is
// queued, so the machine is never re-entered. Destroying a driver silences its timer.
// Thread safety: one executor.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <functional>
#include <memory>
#include <optional>

#include "base/clock.h"

namespace baton {

template <class State, class Event, class Action>
class Driver {
 public:
  // `state` and `clock` outlive it. `tick` is the event that carries nothing but the time.
  Driver(boost::asio::any_io_executor executor, const Clock& clock, State& state, Event tick,
         std::function<void(Action&)> perform)
      : clock_(clock),
        state_(state),
        tick_(std::move(tick)),
        perform_(std::move(perform)),
        timer_(std::move(executor)) {}

  void feed(Event event) {
    waiting_.push_back(std::move(event));
    if (stepping_) return;
    stepping_ = true;
    while (!waiting_.empty()) {
      const Event next = std::move(waiting_.front());
      waiting_.pop_front();
      auto actions = state_.step(next, clock_.now());
      for (auto& action : actions) perform_(action);
    }
    stepping_ = false;
    arm();
  }

 private:
  void arm() {
    const std::optional<Instant> deadline = state_.next_deadline();
    if (deadline == armed_) return;
    armed_ = deadline;
    if (!deadline) {
      timer_.cancel();
      return;
    }
    timer_.expires_after(std::max(*deadline - clock_.now(), Duration(0)));
    timer_.async_wait([this, alive = std::weak_ptr<int>(alive_)](const auto& error) {
      if (error || alive.expired()) return;
      armed_.reset();
      feed(tick_);
    });
  }

  const Clock& clock_;
  State& state_;
  const Event tick_;
  std::function<void(Action&)> perform_;
  boost::asio::steady_timer timer_;
  std::optional<Instant> armed_;
  std::deque<Event> waiting_;
  bool stepping_ = false;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace baton
