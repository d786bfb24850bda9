// Counter-based random numbers: a pure function of a key and a counter, so that the draw for a
// token depends on (seed, choice, position) alone and can be repeated anywhere. Philox 4x32-10
// (Salmon et al., SC 2011). entropy() is the one place that asks the system for chance. Thread
// safety: pure functions.
#pragma once

#include <array>
#include <cstdint>

namespace baton {

std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

// Uniform in [0, 1) with 24 bits, for the given draw.
float uniform_draw(uint64_t seed, uint32_t choice, uint64_t position);

// A small sequence for simulations and tests: every value follows from the seed.
class SeededRandom {
 public:
  explicit SeededRandom(uint64_t seed) : seed_(seed) {}
  uint64_t next();
  uint64_t below(uint64_t limit) { return limit == 0 ? 0 : next() % limit; }
  bool chance(double probability) {
    return static_cast<double>(next() >> 11) * 0x1.0p-53 < probability;
  }

 private:
  uint64_t seed_;
  uint64_t count_ = 0;
};

uint64_t entropy();  // 64 unpredictable bits: seeds, session ids, incarnations

}  // namespace baton
