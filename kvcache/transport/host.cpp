#include "kvcache/transport/host.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

namespace baton::kvcache {

namespace {

// The first 32 hexadecimal digits of a UUID; zero if there are fewer.
std::array<std::byte, 16> parse_uuid(std::string_view text) {
  std::array<std::byte, 16> out{};
  size_t digits = 0;
  for (const char c : text) {
    const bool lower = c >= 'a' && c <= 'f';
    if (digits == 32 || (!lower && (c < '0' || c > '9'))) continue;
    const int value = lower ? c - 'a' + 10 : c - '0';
    out[digits / 2] |= static_cast<std::byte>(digits % 2 == 0 ? value << 4 : value);
    ++digits;
  }
  return digits == 32 ? out : std::array<std::byte, 16>{};
}

}  // namespace

HostIdentity this_host() {
  HostIdentity out;
  std::string uuid;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> uuid;
  out.boot_id = parse_uuid(uuid);
  struct stat info {};
  if (::stat("/proc/self/ns/pid", &info) == 0) out.pid_namespace = info.st_ino;
  out.uid = ::getuid();
  return out;
}

bool same_host(const HostIdentity& a, const HostIdentity& b) {
  return a == b && a.boot_id != std::array<std::byte, 16>{};
}

Result<Endpoint> parse_endpoint(std::string_view address) {
  const auto wrong = [&] {
    return fail(ErrorCode::invalid_argument, "'{}' is not an address like host:port",
                address.substr(0, 128));
  };
  const size_t colon = address.rfind(':');
  if (colon == std::string_view::npos) return wrong();
  std::string_view host = address.substr(0, colon);
  const std::string_view port = address.substr(colon + 1);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return wrong();  // an IPv6 address needs brackets
  }
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (host.empty() || host.size() > 255 || port.empty() || port.size() > 5 ||
      !std::all_of(port.begin(), port.end(), is_digit) || std::stoi(std::string(port)) > 65535) {
    return wrong();
  }
  return Endpoint{std::string(host), std::string(port)};
}

std::string to_string(const Endpoint& endpoint) {
  const bool brackets = endpoint.host.find(':') != std::string::npos;
  return brackets ? fmt::format("[{}]:{}", endpoint.host, endpoint.port)
                  : fmt::format("{}:{}", endpoint.host, endpoint.port);
}

}  // namespace baton::kvcache
