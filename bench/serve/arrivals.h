// Arrivals: when requests come and how long they are, from a seed or from a trace.
//
// Open loop: the times are fixed before the first request is sent, so that a slow server can't slow
// its own test down. Thread safety: pure functions; they throw nothing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace baton::bench {

struct Arrival {
  Duration at{};  // after the start
  uint32_t input_tokens = 0;
  uint32_t output_tokens = 0;
  // Names of the prompt's blocks, of `block_tokens` each: equal names up to a block mean an equal
  // prefix up to it. The last may be partial. Never empty.
  std::vector<uint64_t> blocks;
  uint32_t block_tokens = 0;
};

struct RandomArrivals {
  uint32_t requests = 100;
  double rate = 1;  // a second, as a Poisson process; 0: all at once
  uint32_t input_tokens = 256;
  uint32_t output_tokens = 64;
  double range = 0;            // lengths are uniform in [1 - range, 1 + range] of those above
  uint32_t prefix_tokens = 0;  // of the input, the same in all requests
  uint64_t seed = 0;
};
std::vector<Arrival> random_arrivals(const RandomArrivals& options);

struct TraceArrivals {
  uint32_t requests = 0;  // the first so many lines; 0: all
  uint32_t divide = 1;    // all lengths and the block are divided by this
  double speed = 1;       // times pass so much faster
};
// One JSON object a line: timestamp (ms), input_length, output_length, hash_ids (one a block of 512
// tokens). A line that is none, or whose ids don't cover its input, is an error that names it.
Result<std::vector<Arrival>> trace_arrivals(std::string_view text, const TraceArrivals& options);

// Token ids of an arrival's prompt, drawn from `vocabulary`, a function of the block's name alone.
std::vector<uint32_t> prompt_of(const Arrival& arrival, const std::vector<uint32_t>& vocabulary);

}  // namespace baton::bench
