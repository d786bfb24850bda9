// Slow twins of the kernels: order.h read literally, element by element; and the same in double.
//
// Thread safety: pure functions.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "base/hash/counter_rng.h"
#include "model/kernels/kernels.h"

namespace baton::kernels::testing {

inline float tree(std::array<float, kLanes> lanes) {
  for (size_t width = kLanes / 2; width != 0; width /= 2) {
    for (size_t l = 0; l < width; ++l) lanes[l] += lanes[l + width];
  }
  return lanes[0];
}

inline float slow_dot(const float* a, const float* b, size_t n) {
  std::array<float, kLanes> lanes{};
  for (size_t i = 0; i < (n + kLanes - 1) / kLanes * kLanes; ++i) {
    const float x = i < n ? a[i] : 0;
    const float y = i < n ? b[i] : 0;
    lanes[i % kLanes] = std::fma(x, y, lanes[i % kLanes]);
  }
  return tree(lanes);
}

inline float slow_split_dot(const float* a, const float* b, size_t n, unsigned segments) {
  std::vector<float> parts;
  const size_t length = n / segments;
  for (unsigned s = 0; s < segments; ++s) {
    parts.push_back(slow_dot(a + s * length, b + s * length, length));
  }
  while (parts.size() > 1) {
    std::vector<float> sums;
    for (size_t i = 0; i < parts.size(); i += 2) sums.push_back(parts[i] + parts[i + 1]);
    parts = sums;
  }
  return parts[0];
}

inline double double_dot(const float* a, const float* b, size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

// How far a float32 dot of n terms may be from the exact one: the longest chain of roundings is
// n/16 multiply-adds and 4 additions (plus 3 over segments), each relative 2^-24 of a partial sum
// that is at most sum|a b|.
inline double dot_tolerance(const float* a, const float* b, size_t n) {
  double magnitude = 0;
  for (size_t i = 0; i < n; ++i) magnitude += std::fabs(static_cast<double>(a[i]) * b[i]);
  return (static_cast<double>(n) / kLanes + 9) * 0x1p-24 * magnitude;
}

// Uniform in [-1, 1).
inline std::vector<float> random_floats(uint64_t seed, size_t n, float scale = 1) {
  SeededRandom random(seed);
  std::vector<float> values(n);
  for (float& value : values) {
    value = scale * (static_cast<float>(random.next() >> 40) * 0x1p-23f - 1);
  }
  return values;
}

// The paths under test: those that this processor has (native_paths.cpp), or emulated ones
// (emulated_paths.cpp).
std::vector<const Kernels*> paths();

}  // namespace baton::kernels::testing
