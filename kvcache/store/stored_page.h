// StoredPage: a page as the store keeps it: complete (64 tokens, every layer), named, with a
// digest.
//
// The digest covers the name and the bytes, so that whoever asked for a name knows that what came
// is the page of that name and not another's, wherever it has been. The bytes never change and are
// shared by all who hold the page: copies are cheap. Thread safety: values.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "base/hash/digest.h"
#include "kvcache/prefix/page_name.h"

namespace baton::kvcache {

// The largest page that is taken: of 1024 layers of 1024 bytes a token.
inline constexpr uint32_t kStoredPageBytesMax = uint32_t{64} << 20;

struct PageNameHash {
  size_t operator()(const PageName& name) const { return name.short_name(); }
};

inline Digest stored_digest(const PageName& name, std::span<const std::byte> bytes) {
  DigestStream stream;
  stream.update(name.bytes);
  stream.update(bytes);
  return stream.finish();
}

struct StoredPage {
  PageName name;
  uint32_t depth = 0;  // pages before it in its prompt
  Digest digest;
  std::shared_ptr<const std::vector<std::byte>> payload;

  StoredPage() = default;
  StoredPage(PageName page_name, uint32_t page_depth, Digest page_digest,
             std::vector<std::byte> page_bytes)
      : name(page_name),
        depth(page_depth),
        digest(page_digest),
        payload(std::make_shared<const std::vector<std::byte>>(std::move(page_bytes))) {}

  std::span<const std::byte> bytes() const { return *payload; }
  bool whole() const { return stored_digest(name, *payload) == digest; }
};

}  // namespace baton::kvcache
