// What must hold of a prefill instance after every step; a sentence if it does not. Called in
// tests, in simulation and when the daemon is idle. Cost: linear in its pages and jobs.
#pragma once

#include <optional>
#include <string>

#include "prefill/prefill_state.h"

namespace baton::prefill {

std::optional<std::string> broken_invariant(const PrefillState& state);

}  // namespace baton::prefill
