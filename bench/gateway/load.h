// Load: clients of the gateway, many in one thread, each on a connection of its own.
// Thread: the caller's; every function runs its own loop until it is done.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"

namespace baton::bench {

struct Samples {
  std::vector<double> ms;  // sorted
  size_t failed = 0;       // requests that were not answered as they should be
  size_t bytes = 0;        // received
  double wall_s = 0;

  double at(double share) const;  // the value that this share of all is below or at
};

// Whole answers of one token, one after the other on each of so many connections, for that long:
// how long each took. A connection that the server closes after an answer is opened anew.
Samples closed_loop(uint16_t port, size_t connections, Duration span, const Clock& clock);

// Streams, all at once, of so many tokens each: how long after it was due each token was here.
Samples streams(uint16_t port, size_t count, uint32_t tokens, const Clock& clock);

}  // namespace baton::bench
