// The one line on standard output that programs wait for, and a hint for people beside it.
// Thread safety: any.
#pragma once

#include <string>

namespace baton::deploy {

void announce_ready(const std::string& address, const std::string& model);

}  // namespace baton::deploy
