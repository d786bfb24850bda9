// answers_200: one GET over a fresh connection to this host, for the launcher's own questions.
// Thread: the caller's; waits at most a second.
#pragma once

#include <string>

namespace baton::deploy {

// `address` is host:port with a numeric host. False for anything but status 200. With `tls`,
// whatever certificate is there will do: it is the launcher's own gateway that is asked.
bool answers_200(const std::string& address, const std::string& path, bool tls = false);

}  // namespace baton::deploy
