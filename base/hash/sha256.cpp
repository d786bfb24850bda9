#include "base/hash/sha256.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/result.h"

namespace baton {

struct Sha256::Context {
  EVP_MD_CTX* md = EVP_MD_CTX_new();
  ~Context() { EVP_MD_CTX_free(md); }
};

Sha256::Sha256() : context_(std::make_unique<Context>()) {
  check(EVP_DigestInit_ex(context_->md, EVP_sha256(), nullptr) == 1, "OpenSSL has no SHA-256");
}
Sha256::~Sha256() = default;

Sha256& Sha256::update(std::span<const std::byte> data) {
  EVP_DigestUpdate(context_->md, data.data(), data.size());
  return *this;
}

Sha256Digest Sha256::finish() {
  Sha256Digest digest;
  EVP_DigestFinal_ex(context_->md, reinterpret_cast<unsigned char*>(digest.data()), nullptr);
  return digest;
}

Sha256Digest sha256(std::span<const std::byte> data) { return Sha256().update(data).finish(); }

Sha256Digest hmac_sha256(std::span<const std::byte> key, std::span<const std::byte> data) {
  Sha256Digest digest;
  unsigned size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(data.data()), data.size(),
       reinterpret_cast<unsigned char*>(digest.data()), &size);
  check(size == digest.size(), "OpenSSL has no HMAC-SHA-256");
  return digest;
}

std::string to_hex(std::span<const std::byte> bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  hex.reserve(bytes.size() * 2);
  for (const std::byte b : bytes) {
    hex += kDigits[std::to_integer<unsigned>(b) >> 4];
    hex += kDigits[std::to_integer<unsigned>(b) & 15];
  }
  return hex;
}

}  // namespace baton
