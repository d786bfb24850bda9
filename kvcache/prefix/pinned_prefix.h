// PinnedPrefix: the beginning of prompts that an instance is to keep for good, as a file names it.
//
// The file has a JSON object a line: {"token_ids": [...], "tenant": "", "cache_salt": ""}, of which
// the last two may be missing. Token ids are what /tokenize gives for a prompt, or for messages.
// Only full pages (64 tokens) are kept. Thread safety: pure functions.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"
#include "kvcache/prefix/page_name.h"
#include "kvcache/prefix/prefix_cache.h"

namespace baton::kvcache {

struct PinnedPrefix {
  std::vector<TokenId> tokens;
  std::string tenant;
  std::string cache_salt;
  friend bool operator==(const PinnedPrefix&, const PinnedPrefix&) = default;
};

inline constexpr size_t kPinnedFileBytesMax = size_t{64} << 20;

// Errors: invalid_argument with the line, or that the file can't be read or is too large.
Result<std::vector<PinnedPrefix>> load_pinned_prefixes(const std::filesystem::path& file);

void pin_all(PrefixCache& cache, const PageNamer& namer, const std::vector<PinnedPrefix>& pins);

}  // namespace baton::kvcache
