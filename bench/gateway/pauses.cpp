#include "bench/gateway/pauses.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

namespace baton::bench {

Pauses::Pauses(const Clock& clock) {
  const auto cores = static_cast<size_t>(::sysconf(_SC_NPROCESSORS_ONLN));
  totals_.resize(cores);
  for (size_t core = 0; core < cores; ++core) {
    threads_.emplace_back(
        [this, core, &clock] { totals_[core] = watch(over_, static_cast<int>(core), clock); });
  }
}

Pauses::Total Pauses::stop() {
  over_ = true;
  threads_.clear();  // which waits for them
  Total all;
  for (const Total& each : totals_) {
    all.count += each.count;
    all.lost_ms += each.lost_ms;
    all.longest_ms = std::max(all.longest_ms, each.longest_ms);
    all.real_time = all.real_time && each.real_time;
  }
  return all;
}

Pauses::Total Pauses::watch(const std::atomic<bool>& over, int core, const Clock& clock) {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(core, &cores);
  ::sched_setaffinity(0, sizeof cores, &cores);
  const sched_param priority{.sched_priority = 1};
  Total total;
  total.real_time = ::sched_setscheduler(0, SCHED_FIFO, &priority) == 0;
  boost::asio::io_context io{1};
  boost::asio::steady_timer timer(io);
  for (Instant last = clock.now(); !over;) {
    timer.expires_after(1ms);
    timer.wait();
    const Instant now = clock.now();
    if (const Duration gap = now - last; gap > kGap) {
      ++total.count;
      total.lost_ms += to_seconds(gap) * 1e3;
      total.longest_ms = std::max(total.longest_ms, to_seconds(gap) * 1e3);
    }
    last = now;
  }
  return total;
}

}  // namespace baton::bench
