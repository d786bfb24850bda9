// Where a process runs and where it is reached: the host's identity, "host:port".
// Thread safety: pure functions; this_host() reads the system.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "kvcache/frame.h"

namespace baton::kvcache {

// Unknown (a zero boot id) where the system does not say.
HostIdentity this_host();

// Can a process with identity `a` map the memory of one with `b`?
bool same_host(const HostIdentity& a, const HostIdentity& b);

struct Endpoint {
  std::string host;  // a name or an address, IPv6 without brackets
  std::string port;
  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

// "host:port", "[::1]:port". Error: invalid_argument.
Result<Endpoint> parse_endpoint(std::string_view address);
std::string to_string(const Endpoint& endpoint);

}  // namespace baton::kvcache
