// What must hold of a decode instance after every step; a sentence if it does not. Called in tests,
// in simulation and when the daemon is idle. Cost: linear in its pages and requests.
#pragma once

#include <optional>
#include <string>

#include "decode/decode_state.h"

namespace baton::decode {

std::optional<std::string> broken_invariant(const DecodeState& state);

}  // namespace baton::decode
