// The peak kernels over the registers of a path. Compiled with the path's flags: include nothing
// here that has inline functions. Thread safety: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>

#include "bench/peaks/peak_kernels.h"

namespace baton::bench {

template <class P>
struct PeakBody {
  static constexpr int kSums = P::kSums;

  static void int8(size_t rounds) {
    typename P::Int sums[kSums];
    for (int i = 0; i < kSums; ++i) sums[i] = P::zero();
    typename P::Int a = P::ones();
    typename P::Int b = P::ones();
    P::hide(a);
    P::hide(b);
    for (size_t r = 0; r < rounds; ++r) {
      for (int i = 0; i < kSums; ++i) P::dot(sums[i], a, b);
    }
    for (int i = 0; i < kSums; ++i) P::hide(sums[i]);
  }

  static void fp32(size_t rounds) {
    typename P::Float sums[kSums];
    typename P::Float a = P::half();
    typename P::Float b = P::half();
    P::hide(a);
    P::hide(b);
    for (int i = 0; i < kSums; ++i) sums[i] = P::half();
    for (size_t r = 0; r < rounds; ++r) {
      for (int i = 0; i < kSums; ++i) P::fma(sums[i], a, b);
    }
    for (int i = 0; i < kSums; ++i) P::hide(sums[i]);
  }

  static void read(const std::byte* data, size_t bytes) {
    typename P::Int sums[4];
    for (auto& sum : sums) sum = P::zero();
    for (size_t at = 0; at < bytes; at += 4 * P::kBytes) {
      for (size_t i = 0; i < 4; ++i) P::mix(sums[i], data + at + i * P::kBytes);
    }
    for (auto& sum : sums) P::hide(sum);
  }

  static constexpr PeakKernels table() {
    return {int8, fp32, read, size_t{kSums} * P::kBytes * 2, size_t{kSums} * P::kBytes / 4 * 2};
  }
};

}  // namespace baton::bench
