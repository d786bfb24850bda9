// PageName: what a page of a prompt is called, so that equal prefixes are found and others never.
//
// A page's name is a SHA-256 over the name of the page before it and its own token ids; before the
// first stands a root over the model's fingerprint, the numeric mode and its revision, the shape of
// the cache's entries, and the tenant key. So a name stands for all the tokens up to its last, and
// for everything else that its bytes depend on; equal names are equal bytes (but for the MTP entry
// of the last position, which depends on the token after it and only makes drafts worse). The
// tenant key is an HMAC of tenant and salt (cache_tenant) under a secret of the server: nobody
// can compute the name of another tenant's page. A name covers 1..64 tokens of its page: a shorter
// one is the partial last page of a prompt. Thread safety: values; a PageNamer never changes.
#pragma once

#include <compare>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash/sha256.h"
#include "base/token.h"
#include "proto/cluster.h"

namespace baton::kvcache {

struct PageName {
  Sha256Digest bytes{};
  friend auto operator<=>(const PageName&, const PageName&) = default;
  // As good as random: for tables, and where 64 bits are name enough.
  uint64_t short_name() const {
    uint64_t value = 0;
    std::memcpy(&value, bytes.data(), sizeof value);
    return value;
  }
};

// The names of the pages of one prompt's entries: all full ones, and the partial last one if there
// is one.
struct PromptNames {
  PageName root;
  std::vector<PageName> full;
  std::optional<PageName> tail;
  friend bool operator==(const PromptNames&, const PromptNames&) = default;
};

// What a request's names take for its tenant: who shares caches with it has both in common. No two
// pairs give the same.
std::string cache_tenant(std::string_view tenant, std::string_view salt);

class PageNamer {
 public:
  // `secret` is the server's; instances that are to agree on names share it.
  PageNamer(const Manifest& manifest, std::string secret);

  PageName root(std::string_view tenant) const;
  // Of the entries of `tokens`: positions 0..n-2 of a prompt. SHA-256 over 4 bytes a token.
  PromptNames names(std::string_view tenant, std::span<const TokenId> tokens) const;

 private:
  std::string model_;  // what the names depend on besides tenant and tokens
  std::string secret_;
};

// The page of 1..64 tokens after the page (or the root) called `before`.
PageName page_name(const PageName& before, std::span<const TokenId> tokens);

}  // namespace baton::kvcache
