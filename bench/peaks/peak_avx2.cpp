#include <immintrin.h>

#include "bench/peaks/body.h"

namespace baton::bench {
namespace {

// An integer product of AVX2 is vpmaddubsw, vpmaddwd and vpaddd: nothing multiplies and adds in 32
// bits at once. 12 sums are all that fit beside the operands.
struct Avx2 {
  static constexpr int kSums = 12;
  static constexpr size_t kBytes = 32;
  using Int = __m256i;
  using Float = __m256;
  static Int zero() { return _mm256_setzero_si256(); }
  static Int ones() { return _mm256_set1_epi8(1); }
  static Float half() { return _mm256_set1_ps(0.5f); }
  static void dot(Int& sum, Int a, Int b) {
    Int pairs;
    asm volatile(
        "vpmaddubsw %2, %3, %1\n\t"
        "vpmaddwd %2, %1, %1\n\t"
        "vpaddd %1, %0, %0"
        : "+x"(sum), "=&x"(pairs)
        : "x"(a), "x"(b));
  }
  static void fma(Float& sum, Float a, Float b) {
    asm volatile("vfmadd231ps %1, %2, %0" : "+x"(sum) : "x"(a), "x"(b));
  }
  static void mix(Int& sum, const std::byte* p) {
    asm volatile("vpxor %1, %0, %0" : "+x"(sum) : "m"(*reinterpret_cast<const __m256i*>(p)));
  }
  template <class V>
  static void hide(V& v) {
    asm volatile("" : "+x"(v));
  }
};

}  // namespace

extern const PeakKernels kAvx2Peaks;
constexpr PeakKernels kAvx2Peaks = PeakBody<Avx2>::table();

}  // namespace baton::bench
