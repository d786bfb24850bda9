#include "kvcache/prefix/page_name.h"

#include <fmt/format.h>

#include "base/result.h"

namespace baton::kvcache {

std::string cache_tenant(std::string_view tenant, std::string_view salt) {
  return fmt::format("{}:{}{}", tenant.size(), tenant, salt);
}

PageNamer::PageNamer(const Manifest& manifest, std::string secret)
    : model_(fmt::format("baton prefix 1\n{}\n{}\n{}\n{}\n{}\n{}\n", manifest.model_fingerprint,
                         manifest.numeric_mode, manifest.numeric_revision, manifest.cache_layers,
                         manifest.cache_entry_bytes, manifest.page_tokens)),
      secret_(std::move(secret)) {}

PageName PageNamer::root(std::string_view tenant) const {
  const Sha256Digest key =
      hmac_sha256(std::as_bytes(std::span(secret_)), std::as_bytes(std::span(tenant)));
  return {Sha256().update(model_).update(key).finish()};
}

PromptNames PageNamer::names(std::string_view tenant, std::span<const TokenId> tokens) const {
  PromptNames names;
  names.root = root(tenant);
  names.full.reserve(tokens.size() / kPageTokens);
  for (; tokens.size() >= kPageTokens; tokens = tokens.subspan(kPageTokens)) {
    const PageName& before = names.full.empty() ? names.root : names.full.back();
    names.full.push_back(page_name(before, tokens.first(kPageTokens)));
  }
  if (!tokens.empty())
    names.tail = page_name(names.full.empty() ? names.root : names.full.back(), tokens);
  return names;
}

// before | tokens, little endian. The length says how many tokens there are, and no root is ever
// hashed from input of such a length that it could be taken for a page: it begins with text.
PageName page_name(const PageName& before, std::span<const TokenId> tokens) {
  check(!tokens.empty() && tokens.size() <= kPageTokens, "a page's name covers 1 to 64 tokens");
  std::array<std::byte, sizeof(PageName::bytes) + 4 * kPageTokens> text;
  std::memcpy(text.data(), before.bytes.data(), before.bytes.size());
  std::byte* out = text.data() + before.bytes.size();
  for (const TokenId token : tokens)
    for (int shift = 0; shift < 32; shift += 8) *out++ = static_cast<std::byte>(token >> shift);
  return {sha256(std::span(text).first(static_cast<size_t>(out - text.data())))};
}

}  // namespace baton::kvcache
