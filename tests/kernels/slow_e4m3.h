// FP8 (e4m3) by its definition, and an entry's codes as the mode defines them: the slow twin.
//
// Thread safety: pure functions.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>

namespace baton::testing {

inline double e4m3_value(unsigned code) {
  const unsigned exponent = code >> 3 & 15;
  const unsigned mantissa = code & 7;
  const double size = exponent == 0 ? std::ldexp(mantissa, -9)
                                    : std::ldexp(8 + mantissa, static_cast<int>(exponent) - 10);
  return (code & 0x80) != 0 ? -size : size;
}

// The nearest code of a number of at most 448; of two, the even one.
inline unsigned nearest_e4m3(float x) {
  unsigned best = 0;
  for (unsigned code = 1; code < 0x7f; ++code) {
    const double off = std::fabs(e4m3_value(code) - std::fabs(x));
    const double best_off = std::fabs(e4m3_value(best) - std::fabs(x));
    if (off < best_off || (off == best_off && code % 2 == 0)) best = code;
  }
  return best | (std::signbit(x) ? 0x80u : 0u);
}

// A group of at most 128 columns becomes what its codes and its scale stand for.
inline void round_to_e4m3(std::span<float> group) {
  float most = 0;
  for (const float x : group) most = std::max(most, std::fabs(x));
  const float scale = most >= 1e-30f ? most / 448 : 0;
  const float inverse = scale == 0 ? 0 : 448 / most;
  for (float& x : group) {
    const float scaled = std::clamp(x * inverse, -448.0f, 448.0f);
    x = static_cast<float>(e4m3_value(nearest_e4m3(scaled))) * scale;
  }
}

}  // namespace baton::testing
