// Timeline: where the time to a request's first token went. Its parts sum to the measured time
// exactly: what no other part explains was spent on the way. Thread safety: values.
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.h"
#include "proto/cluster.h"
#include "proto/handoff.h"

namespace baton::server {

struct Timeline {
  Duration prepared{};  // parsed, rendered, tokenized, before it was the gateway's to place
  Duration lost{};      // in attempts that were given up
  Duration placing{};   // until the scheduler's answer to the attempt that succeeded
  DecodeTimes decode;   // as decode measured them
  Duration travelled{};
  Duration first_token{};  // the measured time; the sum of all parts

  uint32_t attempts = 0;  // of the whole request
  std::string decode_name;
  std::string prefill_name;  // empty: decode prefilled itself
  bool degraded = false;
  std::string reason;  // the scheduler's, of the last placement
};

Duration sum_of_parts(const Timeline& timeline);

// Fills `decode`, `travelled` and `first_token`. If decode's clock ran fast, so that its parts say
// more than was measured, they are cut from the last one backwards.
void close_timeline(Timeline& timeline, const DecodeTimes& decode, Duration first_token);

// As a front sees it that has prepared the request first and has measured the whole.
Timeline with_preparation(Timeline timeline, Duration prepared, Duration first_token);

}  // namespace baton::server
