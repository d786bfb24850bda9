// Any text is either refused or a configuration that keeps its invariants. The text up to the first
// NUL is config.json, the rest generation_config.json; then all of it is tried as a shard index.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "model/checkpoint/config.h"
#include "model/checkpoint/expected_tensors.h"
#include "model/checkpoint/shards.h"

namespace {

using namespace baton;
using namespace baton::checkpoint;

void check_invariants(const ModelConfig& c) {
  check(c.hidden_size > 0 && c.num_layers > 0 && c.num_heads > 0, "no dimension is zero");
  check(c.qk_rope_head_dim % 2 == 0, "the rope part is even");
  check(c.num_groups > 0 && c.num_routed_experts % c.num_groups == 0, "groups divide the experts");
  check(c.experts_per_token <= c.topk_groups * (c.num_routed_experts / c.num_groups),
        "enough experts stay");
  check(c.mtp_layers <= 1, "there is one MTP layer at most");
  check(std::isfinite(c.softmax_scale()) && c.softmax_scale() > 0, "the scale is a number");
  for (const uint32_t id : c.eos_token_ids) check(id < c.vocab_size, "ids are in the vocabulary");
  size_t seen = 0;
  visit_expected_tensors(c, [&](const ExpectedTensor& tensor) {
    check(tensor.elements() > 0, "no tensor is empty");
    return ++seen < 200;
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t split = std::min(text.find('\0'), size);
  const std::string_view generation = text.substr(std::min(split + 1, size));
  const auto config = parse_config(text.substr(0, split), generation, "fuzz");
  if (config) {
    check_invariants(*config);
  } else {
    check(config.error().message.find("fuzz/") == 0, "a refusal names the file");
  }
  const auto index = parse_shard_index(text, "fuzz.index.json");
  if (index) check(!index->file_of.empty(), "an index names a tensor");
  return 0;
}
