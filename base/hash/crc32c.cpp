#include "base/hash/crc32c.h"

#include <array>
#include <cstring>

#include "base/result.h"

#if defined(__SSE4_2__)
#include <nmmintrin.h>
#endif

namespace baton {

namespace {

#if !defined(__SSE4_2__)
constexpr std::array<uint32_t, 256> kTable = [] {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78u : 0);
    table[i] = crc;
  }
  return table;
}();
#endif

uint32_t step1(uint32_t crc, uint8_t byte) {
#if defined(__SSE4_2__)
  return _mm_crc32_u8(crc, byte);
#else
  return (crc >> 8) ^ kTable[(crc ^ byte) & 0xff];
#endif
}

uint32_t step8(uint32_t crc, uint64_t word) {
#if defined(__SSE4_2__)
  return static_cast<uint32_t>(_mm_crc32_u64(crc, word));
#else
  for (int i = 0; i < 8; ++i) crc = step1(crc, static_cast<uint8_t>(word >> (8 * i)));
  return crc;
#endif
}

}  // namespace

uint32_t crc32c(std::span<const std::byte> data, uint32_t before) {
  uint32_t crc = ~before;
  size_t i = 0;
  for (; i + 8 <= data.size(); i += 8) {
    uint64_t word;
    std::memcpy(&word, data.data() + i, 8);
    crc = step8(crc, word);
  }
  for (; i < data.size(); ++i) crc = step1(crc, std::to_integer<uint8_t>(data[i]));
  return ~crc;
}

uint32_t copy_with_crc32c(std::span<std::byte> to, std::span<const std::byte> from) {
  check(to.size() == from.size(), "a checked copy between different sizes");
  uint32_t crc = ~0u;
  size_t i = 0;
  for (; i + 8 <= from.size(); i += 8) {
    uint64_t word;
    std::memcpy(&word, from.data() + i, 8);
    std::memcpy(to.data() + i, &word, 8);
    crc = step8(crc, word);
  }
  for (; i < from.size(); ++i) {
    const std::byte b = from[i];
    to[i] = b;
    crc = step1(crc, std::to_integer<uint8_t>(b));
  }
  return ~crc;
}

}  // namespace baton
