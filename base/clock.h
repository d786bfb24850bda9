// Time is passed in: state machines get an Instant, shells read it from a Clock.
//
// Instants are monotonic and mean something within one process only; what crosses processes is a
// duration ("expires in 3 s"). Only base/ reads the system's clocks. Thread safety: SystemClock may
// be read from any thread; ManualClock belongs to its test.
#pragma once

#include <chrono>
#include <cstdint>

namespace baton {

using Duration = std::chrono::nanoseconds;

struct MonotonicTime {
  using rep = Duration::rep;
  using period = Duration::period;
  using duration = Duration;
  using time_point = std::chrono::time_point<MonotonicTime>;
  static constexpr bool is_steady = true;
};
using Instant = MonotonicTime::time_point;

using namespace std::chrono_literals;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Instant now() const = 0;
  virtual int64_t unix_seconds() const = 0;  // for `created` fields and logs only
};

class SystemClock final : public Clock {
 public:
  Instant now() const override;
  int64_t unix_seconds() const override;
};

// Advanced by hand, in tests and simulation.
class ManualClock final : public Clock {
 public:
  Instant now() const override { return now_; }
  int64_t unix_seconds() const override { return 0; }
  void advance(Duration by) { now_ += by; }
  void set(Instant now) { now_ = now; }

 private:
  Instant now_{};
};

inline double to_seconds(Duration d) { return std::chrono::duration<double>(d).count(); }
inline int64_t to_ms(Duration d) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(d).count();
}

}  // namespace baton
