// SHA-256 and HMAC-SHA-256 (OpenSSL): names of prefixes, fingerprints, keys.
// Thread safety: an object belongs to one thread.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace baton {

using Sha256Digest = std::array<std::byte, 32>;

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  Sha256& update(std::span<const std::byte> data);
  Sha256& update(std::string_view text) { return update(std::as_bytes(std::span(text))); }
  Sha256Digest finish();  // once

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

Sha256Digest sha256(std::span<const std::byte> data);
Sha256Digest hmac_sha256(std::span<const std::byte> key, std::span<const std::byte> data);
std::string to_hex(std::span<const std::byte> bytes);

}  // namespace baton
