// Pages for the tests of the store: what page number n holds follows from n.
#pragma once

#include <algorithm>
#include <cstring>
#include <vector>

#include "kvcache/store/stored_page.h"

namespace baton::kvcache {

inline PageName name_of(uint32_t n) {
  PageName name;
  std::memcpy(name.bytes.data() + 5, &n, sizeof n);
  name.bytes[0] = static_cast<std::byte>(n * 37);
  return name;
}

inline std::vector<std::byte> bytes_of(uint32_t n, size_t size) {
  std::vector<std::byte> bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>((i * 31 + n * 7) >> (i % 3));
  return bytes;
}

inline StoredPage page_of(uint32_t n, size_t size = 700) {
  const auto bytes = bytes_of(n, size);
  PageBytes payload(size);
  std::copy(bytes.begin(), bytes.end(), payload.writable().begin());
  return {name_of(n), n, stored_digest(name_of(n), bytes), payload};
}

}  // namespace baton::kvcache
