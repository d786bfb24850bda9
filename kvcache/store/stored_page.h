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

// Bytes that all who hold them share. They are written once, by whoever has made room for them.
class PageBytes {
 public:
  PageBytes() = default;
  explicit PageBytes(size_t size)
      : bytes_(std::make_shared_for_overwrite<std::byte[]>(size)), size_(size) {}

  std::span<std::byte> writable() { return {bytes_.get(), size_}; }
  std::span<const std::byte> bytes() const { return {bytes_.get(), size_}; }

 private:
  std::shared_ptr<std::byte[]> bytes_;
  size_t size_ = 0;
};

struct StoredPage {
  PageName name;
  uint32_t depth = 0;  // pages before it in its prompt
  Digest digest;
  PageBytes payload;

  std::span<const std::byte> bytes() const { return payload.bytes(); }
  bool whole() const { return stored_digest(name, bytes()) == digest; }
};

}  // namespace baton::kvcache
