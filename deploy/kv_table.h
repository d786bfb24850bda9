// kv_table: what /debug/kv says, as lines for a terminal: a pool each, who holds its pages, what
// has waited longest. Thread safety: pure function.
#pragma once

#include <string>

#include "base/result.h"

namespace baton::deploy {

// Error: corrupt (it is not what /debug/kv says).
Result<std::string> kv_table(const std::string& json);

}  // namespace baton::deploy
