// Timeline: what ranks do between and in their messages, recorded; and played again with another
// delay of the link between them: the model that says how long they will wait.
//
// A rank's time is its compute, which no delay changes, and its waits, each for one message of one
// other rank. So a message arrives `delay` after its sender has come to it, and whoever waits goes
// on then. Thread safety: a recorder belongs to its port's thread; replay() is pure.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <vector>

#include "base/clock.h"
#include "parallel/exchange/port.h"

namespace baton::bench {

// A message that this rank sent, or waited for.
struct Event {
  bool sends = false;
  uint32_t peer = 0;
  parallel::Tag tag = 0;
  uint32_t number = 0;  // of the messages of this tag to or from this peer
  Duration compute{};   // since the event before
  Duration inside{};    // the call itself, but for what it waited
  Duration waited{};    // for what had not come
  Instant end{};
};
using Timeline = std::vector<Event>;  // of one rank

// Around a port; writes to a timeline that outlives it.
std::unique_ptr<parallel::Port> recording_port(std::unique_ptr<parallel::Port> port,
                                               const Clock& clock, Timeline& to);

// The same events with `delay` added to each message: other `waited` and `end`.
std::vector<Timeline> replay(std::span<const Timeline> ranks, Duration delay);

double median(std::vector<double> values);

// Of steps, by rank: how long they took, and waited for messages of the exchange. Medians over
// steps, of which the mean over ranks.
class StepTimes {
 public:
  double step() const { return mean_of_medians(&Step::ms); }
  double waited() const { return mean_of_medians(&Step::waited_ms); }
  double messages() const { return mean_of_medians(&Step::messages); }  // that a rank waits for

 private:
  friend void add_steps(std::span<const Timeline> ranks, parallel::Tag exchange, size_t steps,
                        StepTimes& to);
  struct Step {
    double ms = 0, waited_ms = 0, messages = 0;
  };
  double mean_of_medians(double Step::*which) const;
  std::vector<std::vector<Step>> ranks_;
};

// The last `steps` steps of timelines; of the exchange are tags from `exchange` on. A step begins
// with the tag that a timeline begins with, and so does what follows the last step.
void add_steps(std::span<const Timeline> ranks, parallel::Tag exchange, size_t steps,
               StepTimes& to);

}  // namespace baton::bench
