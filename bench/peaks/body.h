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

  // N values, each one a variable: an array would stay in memory.
  template <class V, int N>
  struct Values {
    V value;
    Values<V, N - 1> rest;
    template <class F>
    void each(F&& f) {
      f(value);
      rest.each(f);
    }
  };
  template <class V>
  struct Values<V, 0> {
    template <class F>
    void each(F&&) {}
  };

  static void int8(size_t rounds) {
    using Int = typename P::Int;
    Values<Int, kSums> sums;
    sums.each([](Int& sum) { sum = P::zero(); });
    Int a = P::ones();
    Int b = P::ones();
    P::hide(a);
    P::hide(b);
    for (size_t r = 0; r < rounds; ++r) {
      sums.each([&](Int& sum) { P::dot(sum, a, b); });
    }
    sums.each([](Int& sum) { P::hide(sum); });
  }

  static void fp32(size_t rounds) {
    using Float = typename P::Float;
    Values<Float, kSums> sums;
    sums.each([](Float& sum) { sum = P::half(); });
    Float a = P::half();
    Float b = P::half();
    P::hide(a);
    P::hide(b);
    for (size_t r = 0; r < rounds; ++r) {
      sums.each([&](Float& sum) { P::fma(sum, a, b); });
    }
    sums.each([](Float& sum) { P::hide(sum); });
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
