// Layout: the shape of one instance: tp x dp ranks (DeepSeek-V3 report, 3.4), as given on a command
// line: "tp=4,dp=8,redundant=32,threads=2". ep = tp * dp.
//
// This version runs instances of one rank: check_layout refuses any other shape in one sentence.
// Thread safety: values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace baton::parallel {

struct Layout {
  uint32_t tp = 1;         // ranks that split the attention heads
  uint32_t dp = 1;         // groups that share the requests
  uint32_t threads = 1;    // compute threads a rank
  uint32_t instances = 1;  // MPI jobs of this shape
  uint32_t ranks() const { return tp * dp; }
  friend bool operator==(const Layout&, const Layout&) = default;
};

// Unknown keys, zeros and things that are no numbers are refused by name.
Result<Layout> parse_layout(std::string_view text);
std::string to_string(const Layout& layout);

// Whether this build can run it.
Result<void> check_layout(const Layout& layout);

}  // namespace baton::parallel
