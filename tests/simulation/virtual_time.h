// VirtualTime: what happens when, in a world without a clock: a queue of things to do, by time,
// then by the order in which they were planned. Thread safety: one thread.
#pragma once

#include <functional>
#include <queue>
#include <utility>
#include <vector>

#include "base/clock.h"

namespace baton::simulation {

class VirtualTime {
 public:
  Instant now() const { return now_; }
  void at(Instant when, std::function<void()> what) {
    queue_.push({std::max(when, now_), count_++, std::move(what)});
  }
  void after(Duration delay, std::function<void()> what) { at(now_ + delay, std::move(what)); }
  // Does the next thing, if there is one before `end`.
  bool advance(Instant end) {
    if (queue_.empty() || queue_.top().when > end) return false;
    Planned next = std::move(const_cast<Planned&>(queue_.top()));  // popped at once
    queue_.pop();
    now_ = next.when;
    next.what();
    return true;
  }

 private:
  struct Planned {
    Instant when;
    uint64_t order;
    std::function<void()> what;
    bool operator<(const Planned& other) const {
      return std::pair(other.when, other.order) < std::pair(when, order);
    }
  };
  std::priority_queue<Planned> queue_;
  uint64_t count_ = 0;
  Instant now_{Duration(1s)};
};

}  // namespace baton::simulation
