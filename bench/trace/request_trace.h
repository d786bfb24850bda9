// A recorded stream of requests, as published with the Mooncake paper (FAST'25): one JSON object a
// line, with the arrival, the lengths, and one id for each block of the prompt; equal ids mean
// equal prefixes up to and including that block. Thread safety: values.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"
#include "kvcache/prefix/prefix_cache.h"

namespace baton::bench {

struct TraceRequest {
  uint64_t timestamp_ms = 0;
  uint32_t input_tokens = 0;
  uint32_t output_tokens = 0;
  std::vector<uint64_t> blocks;
};

Result<std::vector<TraceRequest>> read_trace(const std::filesystem::path& path);

struct ReplayResult {
  uint64_t blocks = 0;
  uint64_t hits = 0;  // blocks that were there, and all before them too
};

// Each request takes what the cache has of its blocks, computes the rest as far as there is room,
// and lets all go; one after the other. A block of the trace is a page of the cache.
ReplayResult replay(const std::vector<TraceRequest>& trace, uint32_t pages,
                    kvcache::Eviction eviction);

}  // namespace baton::bench
