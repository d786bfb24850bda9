// Pauses: how long the machine itself stands still: a thread on each core that does nothing but
// sleep a millisecond and look at the clock.
//
// A gap of more than kGap is a pause: nobody's code could have run on that core meanwhile. The
// threads ask for real-time priority, so that a busy core isn't taken for one that stands still;
// `real_time` says whether they got it. Thread: made, read and destroyed by one thread.
#pragma once

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "base/clock.h"

namespace baton::bench {

class Pauses {
 public:
  static constexpr Duration kGap = 5ms;
  struct Total {
    size_t count = 0;
    double lost_ms = 0, longest_ms = 0;  // of all cores together
    bool real_time = true;
  };

  explicit Pauses(const Clock& clock);
  Total stop();  // once

 private:
  static Total watch(const std::atomic<bool>& over, int core, const Clock& clock);

  std::atomic<bool> over_ = false;
  std::vector<Total> totals_;  // [cores]
  std::vector<std::jthread> threads_;
};

}  // namespace baton::bench
