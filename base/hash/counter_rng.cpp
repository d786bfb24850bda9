#include "base/hash/counter_rng.h"

#include <sys/random.h>

#include "base/result.h"

namespace baton {

std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> c, std::array<uint32_t, 2> k) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xd2511f53} * c[0];
    const uint64_t p1 = uint64_t{0xcd9e8d57} * c[2];
    c = {static_cast<uint32_t>(p1 >> 32) ^ c[1] ^ k[0], static_cast<uint32_t>(p1),
         static_cast<uint32_t>(p0 >> 32) ^ c[3] ^ k[1], static_cast<uint32_t>(p0)};
    k[0] += 0x9e3779b9;
    k[1] += 0xbb67ae85;
  }
  return c;
}

float uniform_draw(uint64_t seed, uint32_t choice, uint64_t position) {
  const auto bits = philox4x32(
      {static_cast<uint32_t>(position), static_cast<uint32_t>(position >> 32), choice, 0x62617430},
      {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)});
  return static_cast<float>(bits[0] >> 8) * 0x1.0p-24f;
}

uint64_t SeededRandom::next() {
  const uint64_t n = count_++;
  const auto bits = philox4x32({static_cast<uint32_t>(n), static_cast<uint32_t>(n >> 32), 0, 1},
                               {static_cast<uint32_t>(seed_), static_cast<uint32_t>(seed_ >> 32)});
  return uint64_t{bits[0]} << 32 | bits[1];
}

uint64_t entropy() {
  uint64_t bits = 0;
  check(::getrandom(&bits, sizeof bits, 0) == sizeof bits, "the system gives no random bits");
  return bits;
}

}  // namespace baton
