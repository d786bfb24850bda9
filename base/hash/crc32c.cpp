#include "base/hash/crc32c.h"

#include <array>
#include <cstring>

#include "base/result.h"
#include "base/system/cpu.h"

#if defined(__SSE4_2__)
#include <immintrin.h>
#define BATON_CRC32C_FOLDS 1
#endif

namespace baton {

namespace {

constexpr uint32_t kPolynomial = 0x82f63b78u;  // Castagnoli, bits reversed

constexpr uint32_t after_zero_byte(uint32_t crc) {
  for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (crc & 1 ? kPolynomial : 0);
  return crc;
}

#if !defined(__SSE4_2__)
constexpr std::array<uint32_t, 256> kTable = [] {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) table[i] = after_zero_byte(i);
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

// ---- three lanes -------------------------------------------------------------------------------
//
// One step waits for the one before, but a processor can have three under way. So long data are
// taken in stretches of three lanes, whose checksums are joined: a checksum is linear in the bits
// before, and what kLane more bytes do to these is a table.

constexpr size_t kLane = 1024;  // bytes; a power of two
constexpr size_t kStretch = 3 * kLane;

using Map = std::array<uint32_t, 32>;  // what becomes of each bit

constexpr uint32_t mapped(const Map& map, uint32_t crc) {
  uint32_t out = 0;
  for (int bit = 0; bit < 32; ++bit) out ^= (crc >> bit) & 1 ? map[bit] : 0;
  return out;
}

// What becomes of each byte of a checksum when kLane zero bytes follow.
constexpr std::array<std::array<uint32_t, 256>, 4> kShift = [] {
  Map map{};
  for (int bit = 0; bit < 32; ++bit) map[bit] = after_zero_byte(uint32_t{1} << bit);
  for (size_t bytes = 1; bytes < kLane; bytes *= 2) {
    Map twice{};
    for (int bit = 0; bit < 32; ++bit) twice[bit] = mapped(map, map[bit]);
    map = twice;
  }
  std::array<std::array<uint32_t, 256>, 4> out{};
  for (int place = 0; place < 4; ++place)
    for (uint32_t byte = 0; byte < 256; ++byte) out[place][byte] = mapped(map, byte << (8 * place));
  return out;
}();

uint32_t shift(uint32_t crc) {
  return kShift[0][crc & 0xff] ^ kShift[1][(crc >> 8) & 0xff] ^ kShift[2][(crc >> 16) & 0xff] ^
         kShift[3][crc >> 24];
}

uint32_t join(uint32_t first, uint32_t second, uint32_t third) {
  return shift(shift(first) ^ second) ^ third;
}

uint64_t word_at(const std::byte* at) {
  uint64_t word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

// Asks for a line of each lane two stretches ahead: the processor by itself doesn't look beyond the
// page of memory that it is in. What lies behind the end is asked for in vain.
inline void prefetch(const std::byte* line) {
  const auto address = reinterpret_cast<uintptr_t>(line) + 2 * kStretch;
  for (size_t lane = 0; lane < 3; ++lane)
    __builtin_prefetch(reinterpret_cast<const void*>(address + lane * kLane));
}

uint32_t of_stretch(uint32_t crc, const std::byte* from) {
  uint32_t second = 0, third = 0;
  for (size_t line = 0; line < kLane; line += 64) {
    prefetch(from + line);
    for (size_t i = line; i < line + 64; i += 8) {
      crc = step8(crc, word_at(from + i));
      second = step8(second, word_at(from + kLane + i));
      third = step8(third, word_at(from + 2 * kLane + i));
    }
  }
  return join(crc, second, third);
}

// Large copies go past the cache: they would only push out what is used sooner, and the lines of
// the target need not be read to be written. Whole lines, lane by lane.
constexpr size_t kStreamedFrom = size_t{32} << 10;

template <bool past_cache>
inline uint32_t copy_line(uint32_t crc, std::byte* to, const std::byte* from) {
  for (size_t i = 0; i < 64; i += 16) {
#if defined(__SSE4_2__)
    const __m128i words = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i));
    if constexpr (past_cache)
      _mm_stream_si128(reinterpret_cast<__m128i*>(to + i), words);
    else
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i), words);
    crc = step8(crc, static_cast<uint64_t>(_mm_cvtsi128_si64(words)));
    crc = step8(crc, static_cast<uint64_t>(_mm_extract_epi64(words, 1)));
#else
    for (size_t half = i; half < i + 16; half += 8) {
      const uint64_t word = word_at(from + half);
      std::memcpy(to + half, &word, sizeof word);
      crc = step8(crc, word);
    }
#endif
  }
  return crc;
}

template <bool past_cache>
uint32_t copy_stretch(uint32_t crc, std::byte* to, const std::byte* from) {
  uint32_t second = 0, third = 0;
  for (size_t i = 0; i < kLane; i += 64) {
    prefetch(from + i);
    crc = copy_line<past_cache>(crc, to + i, from + i);
    second = copy_line<past_cache>(second, to + kLane + i, from + kLane + i);
    third = copy_line<past_cache>(third, to + 2 * kLane + i, from + 2 * kLane + i);
  }
  return join(crc, second, third);
}

// ---- folding -----------------------------------------------------------------------------------
//
// Where a processor multiplies without carries 64 bytes at a time, 256 bytes are kept as they are,
// and the next 256 added to what these would have become 256 bytes further on (Gopal et al., Intel,
// 2009); a checksum byte by byte is left to be taken of the last 256 only.

#if defined(BATON_CRC32C_FOLDS)

constexpr size_t kFold = 256;        // bytes
constexpr size_t kFoldAhead = 4096;  // asked for before it is needed: another page of memory

constexpr uint64_t fold_constant(size_t power) {  // x^power, bits reversed, one bit up
  uint32_t crc = uint32_t{1} << 31;
  for (size_t i = 0; i < power; ++i) crc = (crc >> 1) ^ (crc & 1 ? kPolynomial : 0);
  return uint64_t{crc} << 1;
}
constexpr uint64_t kFoldLow = fold_constant(8 * kFold + 32);
constexpr uint64_t kFoldHigh = fold_constant(8 * kFold - 32);

bool can_fold() {
  static const bool can = cpu_features().avx512 && __builtin_cpu_supports("vpclmulqdq");
  return can;
}

// Of a whole number of kFold bytes, one at least. If it `copies`, past the cache, `to` is aligned.
template <bool copies>
__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,vpclmulqdq,pclmul,sse4.2"))) uint32_t
folded(uint32_t crc, std::byte* to, const std::byte* from, size_t bytes) {
  constexpr auto kLow = static_cast<int64_t>(kFoldLow), kHigh = static_cast<int64_t>(kFoldHigh);
  const __m512i fold = _mm512_set_epi64(kHigh, kLow, kHigh, kLow, kHigh, kLow, kHigh, kLow);
  __m512i kept[4];
  for (size_t at = 0; at < bytes; at += kFold) {
    for (size_t i = 0; i < 4; ++i) {
      const size_t line = at + 64 * i;
      const auto ahead = reinterpret_cast<uintptr_t>(from) + line + kFoldAhead;
      __builtin_prefetch(reinterpret_cast<const void*>(ahead));
      const __m512i next = _mm512_loadu_si512(from + line);
      if constexpr (copies) _mm512_stream_si512(reinterpret_cast<__m512i*>(to + line), next);
      kept[i] = at == 0 ? next
                        : _mm512_ternarylogic_epi64(_mm512_clmulepi64_epi128(kept[i], fold, 0x00),
                                                    _mm512_clmulepi64_epi128(kept[i], fold, 0x11),
                                                    next, 0x96);
    }
    if (at == 0) {
      const __m128i start = _mm_cvtsi32_si128(static_cast<int>(crc));
      kept[0] = _mm512_xor_si512(kept[0], _mm512_zextsi128_si512(start));
    }
  }
  alignas(64) std::array<uint64_t, kFold / 8> last;
  std::memcpy(last.data(), kept, kFold);
  crc = 0;
  for (const uint64_t word : last) crc = step8(crc, word);
  return crc;
}

#endif

}  // namespace

uint32_t crc32c(std::span<const std::byte> data, uint32_t before) {
  uint32_t crc = ~before;
  size_t i = 0;
#if defined(BATON_CRC32C_FOLDS)
  if (data.size() >= 2 * kFold && can_fold()) {
    i = data.size() / kFold * kFold;
    crc = folded<false>(crc, nullptr, data.data(), i);
  }
#endif
  for (; i + kStretch <= data.size(); i += kStretch) crc = of_stretch(crc, data.data() + i);
  for (; i + 8 <= data.size(); i += 8) crc = step8(crc, word_at(data.data() + i));
  for (; i < data.size(); ++i) crc = step1(crc, std::to_integer<uint8_t>(data[i]));
  return ~crc;
}

uint32_t copy_with_crc32c(std::span<std::byte> to, std::span<const std::byte> from,
                          uint32_t before) {
  check(to.size() == from.size(), "a checked copy between different sizes");
  uint32_t crc = ~before;
  size_t i = 0;
#if defined(__SSE4_2__)
  if (from.size() >= kStreamedFrom && reinterpret_cast<uintptr_t>(to.data()) % 16 == 0) {
    if (reinterpret_cast<uintptr_t>(to.data()) % 64 == 0 && can_fold()) {
      i = from.size() / kFold * kFold;
      crc = folded<true>(crc, to.data(), from.data(), i);
    }
    for (; i + kStretch <= from.size(); i += kStretch)
      crc = copy_stretch<true>(crc, to.data() + i, from.data() + i);
    _mm_sfence();  // whoever is told that the copy is done sees it
  }
#endif
  for (; i + kStretch <= from.size(); i += kStretch)
    crc = copy_stretch<false>(crc, to.data() + i, from.data() + i);
  for (; i + 8 <= from.size(); i += 8) {
    const uint64_t word = word_at(from.data() + i);
    std::memcpy(to.data() + i, &word, sizeof word);
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
