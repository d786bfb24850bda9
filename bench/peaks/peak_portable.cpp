#include <cstdint>

#include "bench/peaks/body.h"

namespace baton::bench {
namespace {

// One product at a time: a processor without a path of its own.
struct Plain {
  static constexpr int kSums = 16;
  static constexpr size_t kBytes = 4;
  using Int = int32_t;
  using Float = float;
  static Int zero() { return 0; }
  static Int ones() { return 1; }
  static Float half() { return 0.5f; }
  static void dot(Int& sum, Int a, Int b) {
    sum += 4 * (a * b);
    hide(sum);
  }
  static void fma(Float& sum, Float a, Float b) {
    sum += a * b;
    hide(sum);
  }
  static void mix(Int& sum, const std::byte* p) {
    Int value = 0;
    __builtin_memcpy(&value, p, sizeof value);
    sum ^= value;
    hide(sum);
  }
  template <class V>
  static void hide(V& v) {
    asm volatile("" : "+m"(v));
  }
};

}  // namespace

extern const PeakKernels kPortablePeaks;
constexpr PeakKernels kPortablePeaks = PeakBody<Plain>::table();

}  // namespace baton::bench
