#include <immintrin.h>

#include "bench/peaks/body.h"

namespace baton::bench {
namespace {

struct Avx512 {
  static constexpr int kSums = 16;
  static constexpr size_t kBytes = 64;
  using Int = __m512i;
  using Float = __m512;
  static Int zero() { return _mm512_setzero_si512(); }
  static Int ones() { return _mm512_set1_epi8(1); }
  static Float half() { return _mm512_set1_ps(0.5f); }
  static void dot(Int& sum, Int a, Int b) {
    Int pairs;
    asm volatile(
        "vpmaddubsw %2, %3, %1\n\t"
        "vpmaddwd %2, %1, %1\n\t"
        "vpaddd %1, %0, %0"
        : "+v"(sum), "=&v"(pairs)
        : "v"(a), "v"(b));
  }
  static void fma(Float& sum, Float a, Float b) {
    asm volatile("vfmadd231ps %1, %2, %0" : "+v"(sum) : "v"(a), "v"(b));
  }
  static void mix(Int& sum, const std::byte* p) {
    asm volatile("vpxord %1, %0, %0" : "+v"(sum) : "m"(*reinterpret_cast<const __m512i*>(p)));
  }
  template <class V>
  static void hide(V& v) {
    asm volatile("" : "+v"(v));
  }
};

struct Vnni : Avx512 {
  static void dot(Int& sum, Int a, Int b) {
    asm volatile("vpdpbusd %1, %2, %0" : "+v"(sum) : "v"(a), "v"(b));
  }
};

}  // namespace

extern const PeakKernels kAvx512Peaks;
extern const PeakKernels kVnniPeaks;
constexpr PeakKernels kAvx512Peaks = PeakBody<Avx512>::table();
constexpr PeakKernels kVnniPeaks = PeakBody<Vnni>::table();

}  // namespace baton::bench
