// Load: sends the requests of a list at their times and notes what comes back.
//
// A request is due at its time whether or not earlier ones have been answered; at most
// `concurrency_max` are under way, and one that has to wait for its turn was late by that much.
// Thread safety: one thread runs the loop.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "bench/serve/arrivals.h"
#include "bench/serve/samples.h"
#include "server/client/http_stream.h"

namespace baton::bench {

struct LoadOptions {
  std::string model;    // empty: the server's only one
  std::string api_key;  // empty: none
  double temperature = 0;
  uint32_t concurrency_max = 1024;
  Duration timeout = 600s;  // of one request
};

// The ids of tokens of ordinary text, from the server's own tokenizer.
Result<std::vector<uint32_t>> ask_vocabulary(const server::client::Server& server,
                                             const LoadOptions& options);

// `on_done` is called after each request. Samples are in the order of the arrivals.
std::vector<Sample> run_load(const server::client::Server& server, const LoadOptions& options,
                             const std::vector<Arrival>& arrivals,
                             const std::vector<uint32_t>& vocabulary, const Clock& clock,
                             const std::function<void()>& on_done);

}  // namespace baton::bench
