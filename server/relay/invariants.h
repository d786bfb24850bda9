// What must hold of the gateway's machine after every step; a sentence if it does not.
#pragma once

#include <optional>
#include <string>

#include "server/relay/gateway_state.h"

namespace baton::server {

std::optional<std::string> broken_invariant(const GatewayState& state);

}  // namespace baton::server
