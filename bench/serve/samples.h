// Samples: what was seen of each request, and the figures that follow.
//
// TTFT, time to first token: from the moment that the request was due to be sent to its first
// token. TPOT, time per output token: what came after it, over the tokens after the first. ITL,
// inter-token latency: the gaps between the events of a stream that bring tokens. Goodput: requests
// a second that keep every limit of the objective. Thread safety: pure functions over values.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"

namespace baton::bench {

struct Sample {
  Duration due{};    // after the start
  Duration sent{};   // what the load generator made of it
  Duration first{};  // first token
  Duration last{};   // last token
  Duration ended{};  // the stream's end
  std::vector<Duration> gaps;
  uint64_t prompt_tokens = 0;
  uint64_t cached_tokens = 0;
  uint64_t output_tokens = 0;
  std::string error;  // empty: it came to its proper end
};

struct Objective {  // a request is good if it keeps all that are set
  std::optional<double> ttft_ms_max, tpot_ms_max, e2el_ms_max;
};

// Linear between neighbours, as numpy does it; 0 of none. `percent` in [0, 100].
double percentile(std::vector<double> values, double percent);

struct Spread {  // milliseconds
  double mean = 0, median = 0, p90 = 0, p99 = 0, largest = 0;
};
Spread spread_of(const std::vector<double>& values);

struct Summary {
  uint64_t completed = 0, failed = 0;
  double seconds = 0;  // from the first request due to the last end
  uint64_t prompt_tokens = 0, cached_tokens = 0, output_tokens = 0;
  double requests_s = 0, output_tokens_s = 0, all_tokens_s = 0;
  double goodput_s = 0;  // requests
  bool has_objective = false;
  Spread ttft_ms, tpot_ms, itl_ms, e2el_ms;
  double late_ms = 0;                 // the largest delay of the load generator itself
  std::vector<std::string> mistakes;  // the first few errors' sentences, each once
};

Summary summarize(const std::vector<Sample>& samples, const Objective& objective);
std::string to_text(const Summary& summary);
nlohmann::ordered_json to_json(const Summary& summary);  // vLLM's names where it has them

}  // namespace baton::bench
