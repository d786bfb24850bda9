// The one line on standard output that programs wait for, and a hint for people beside it.
// Thread safety: any.
#pragma once

#include <string>

namespace baton::deploy {

// `tls`: the address is asked with https.
void announce_ready(const std::string& address, const std::string& model, bool tls = false);

}  // namespace baton::deploy
