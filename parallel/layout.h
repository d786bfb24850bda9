// Layout: the shape of one instance: tp x dp ranks and its expert slots (DeepSeek-V3 report, 3.4),
// as given on a command line: "tp=4,dp=8,redundant=32,threads=2". ep = tp * dp.
//
// tp ranks split the attention heads of one DP group and share a host and its latent pool; dp
// groups share the requests; the routed experts, one shared expert if it is routed too, and the
// redundant ones lie in slots_per_rank slots on each of the ep ranks. A slot that is left over is a
// replica. Thread safety: values, pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace baton::parallel {

// A contraction that is split over heads is this many partial sums, or fewer if the heads have no
// such divisor (README of model/kernels); tp shares these sums out, so tp divides their number.
inline constexpr uint32_t kPartialSumsMax = 8;

enum class SharedExpert : uint8_t {
  replicated,  // on every rank
  routed,      // one more logical expert, which every token chooses; its id follows the routed ones
};

struct Layout {
  uint32_t tp = 1;         // ranks that split the attention heads
  uint32_t dp = 1;         // groups that share the requests
  uint32_t redundant = 0;  // expert slots of the instance beyond one a logical expert
  SharedExpert shared = SharedExpert::replicated;
  bool overlap = false;         // two micro-batches, one's exchange behind the other's compute
  uint32_t ranks_per_host = 0;  // virtual hosts of so many ranks; 0: all ranks are on one host
  uint32_t link_delay_us = 0;   // that messages between virtual hosts take longer
  uint32_t threads = 1;         // compute threads a rank
  uint32_t instances = 1;       // MPI jobs of this shape

  uint32_t ranks() const { return tp * dp; }
  uint32_t ep() const { return ranks(); }
  uint32_t hosts() const { return ranks_per_host == 0 ? 1 : ranks() / ranks_per_host; }
  // Logical experts of a layer: the routed ones, and the shared one where it is routed too.
  uint32_t logical_experts(uint32_t routed_experts) const {
    return routed_experts + (shared == SharedExpert::routed ? 1 : 0);
  }
  // ceil((logical experts + redundant) / ep): enough for every logical expert, by construction.
  uint32_t slots_per_rank(uint32_t routed_experts) const {
    return (logical_experts(routed_experts) + redundant + ep() - 1) / ep();
  }
  uint32_t slots(uint32_t routed_experts) const { return slots_per_rank(routed_experts) * ep(); }
  friend bool operator==(const Layout&, const Layout&) = default;
};

// What of a model decides which layouts divide it.
struct ModelShape {
  uint32_t heads = 1;
  uint32_t routed_experts = 1;
  uint32_t shared_experts = 0;  // 0: none; else they are one expert of this many times the size
  uint32_t expert_groups = 1;
  uint32_t experts_per_token = 1;  // routed ones
};

// "tp=4,dp=8,redundant=32,shared=routed,overlap=on,ranks_per_host=8,link_delay_us=50,threads=2,
// instances=1", any of
// them, in any order. What is unknown, repeated, out of range or no number is refused by name.
Result<Layout> parse_layout(std::string_view text);
std::string to_string(const Layout& layout);  // every key; parse_layout reads it back

// Whether the layout divides the model; if not, which key is wrong and what it may be.
Result<void> check_layout(const Layout& layout, const ModelShape& model);

}  // namespace baton::parallel
