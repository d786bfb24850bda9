#include "proto/cluster.h"

#include <fmt/format.h>

namespace baton {

namespace {

template <class T>
std::optional<std::string> differ(std::string_view field, const T& a, const T& b) {
  if (a == b) return std::nullopt;
  return fmt::format("{}: {} against {}", field, a, b);
}

}  // namespace

const char* to_string(Role role) {
  switch (role) {
    case Role::prefill:
      return "prefill";
    case Role::decode:
      return "decode";
    case Role::kvstore:
      break;
  }
  return "kvstore";
}

std::optional<std::string> mismatch(const Manifest& a, const Manifest& b) {
  // The wire version first: if it differs, the other fields may not mean the same.
  if (auto found = differ("wire_version", a.wire_version, b.wire_version)) return found;
  if (auto found = differ("model_fingerprint", a.model_fingerprint, b.model_fingerprint))
    return found;
  if (auto found = differ("numeric_mode", a.numeric_mode, b.numeric_mode)) return found;
  if (auto found = differ("numeric_revision", a.numeric_revision, b.numeric_revision)) return found;
  if (auto found = differ("cache_layers", a.cache_layers, b.cache_layers)) return found;
  if (auto found = differ("cache_entry_bytes", a.cache_entry_bytes, b.cache_entry_bytes))
    return found;
  return differ("page_tokens", a.page_tokens, b.page_tokens);
}

}  // namespace baton
