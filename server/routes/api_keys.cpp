#include "server/routes/api_keys.h"

#include <algorithm>
#include <charconv>

#include "model/checkpoint/strict_json.h"

namespace baton::server {

namespace {

constexpr size_t kFileBytesMax = 1 << 20;

Sha256Digest hash_of(std::string_view key) { return sha256(std::as_bytes(std::span(key))); }

std::optional<Sha256Digest> from_hex(std::string_view hex) {
  Sha256Digest digest;
  if (hex.size() != digest.size() * 2) return std::nullopt;
  for (size_t i = 0; i < digest.size(); ++i) {
    const char* at = hex.data() + 2 * i;
    unsigned value = 0;
    if (std::from_chars(at, at + 2, value, 16).ptr != at + 2) return std::nullopt;
    digest[i] = static_cast<std::byte>(value);
  }
  return digest;
}

std::string_view trim(std::string_view line) {
  const size_t first = line.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return line.substr(first, line.find_last_not_of(" \t\r") - first + 1);
}

// The key of an Authorization field's value; empty if it has none.
std::string_view bearer_of(std::string_view authorization) {
  static constexpr std::string_view kScheme = "Bearer ";
  if (authorization.size() <= kScheme.size() ||
      !http::equals_ignoring_case(authorization.substr(0, kScheme.size()), kScheme)) {
    return {};
  }
  return trim(authorization.substr(kScheme.size()));
}

std::string_view key_of(const http::Fields& fields) {
  if (const auto bearer = http::find(fields, "authorization"); !bearer.empty()) {
    return bearer_of(bearer);
  }
  for (const char* name : {"x-api-key", "api-key"}) {
    if (const auto key = http::find(fields, name); !key.empty()) return trim(key);
  }
  return {};
}

}  // namespace

Result<ApiKeys> ApiKeys::load(const std::filesystem::path& file) {
  BATON_TRY(text, checkpoint::read_text_file(file, kFileBytesMax));
  ApiKeys keys;
  std::string_view rest = text;
  if (rest.starts_with("\xEF\xBB\xBF")) rest.remove_prefix(3);  // some editors' mark is no key's
  for (size_t number = 1; !rest.empty(); ++number) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = trim(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.empty() || line.front() == '#') continue;
    if (line.starts_with("sha256:")) {
      const auto hash = from_hex(line.substr(7));
      if (!hash) {
        return fail(ErrorCode::invalid_argument,
                    "Line {} of {} has no 64 hexadecimal digits behind \"sha256:\".", number,
                    file.string());
      }
      keys.hashes_.push_back(*hash);
    } else {
      keys.add(line);
    }
  }
  if (keys.none()) {
    return fail(ErrorCode::invalid_argument, "{} has no key in it; write one a line.",
                file.string());
  }
  return keys;
}

void ApiKeys::add(std::string_view key) { hashes_.push_back(hash_of(key)); }

bool ApiKeys::allows(std::string_view key) const {
  if (hashes_.empty()) return true;
  const Sha256Digest given = hash_of(key);
  bool allowed = false;
  for (const auto& hash : hashes_) {
    std::byte difference{0};  // no early way out: time says nothing about where they differ
    for (size_t i = 0; i < hash.size(); ++i) difference |= hash[i] ^ given[i];
    allowed |= difference == std::byte{0};
  }
  return allowed;
}

std::string ApiKeys::tenant_of(std::string_view key) const {
  constexpr size_t kDigits = 16;
  if (none() || !allows(key)) return {};
  return to_hex(hash_of(key)).substr(0, kDigits);
}

bool ApiKeys::allows_header(std::string_view authorization) const {
  return allows(bearer_of(authorization));
}

bool ApiKeys::allows_request(const http::Fields& fields) const { return allows(key_of(fields)); }

std::string ApiKeys::tenant_of_request(const http::Fields& fields) const {
  return tenant_of(key_of(fields));
}

}  // namespace baton::server
