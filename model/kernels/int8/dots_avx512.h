// Integer products with AVX-512: 16 weight rows in a register. Needs AVX-512 F and BW.
//
// Avx512Dots has no VNNI: |w| times the codes with the sign of w, as dots_avx2.h explains.
// VnniDots: vpdpbusd multiplies the biased weights, which are unsigned, by the codes and adds four
// neighbours in 32 bits; it can't saturate, and a sum starts at what the bias would add, negated.
// Sums are added to by name and in the order of the source: else the compiler interleaves the dots
// of a tile, which then don't fit the registers.
// Thread safety: values.
#pragma once

#ifndef BATON_EMULATED_AVX512
#include <immintrin.h>
#endif

#include <cstddef>
#include <cstdint>

namespace baton::kernels {
namespace {

struct Avx512Sums {
  static constexpr int kLanes = 16;   // of a register
  static constexpr int kVectors = 2;  // registers of weights at a time
  static constexpr int kHalves = 1;   // times of them that make a panel
  static constexpr int kBytes = 64;
  using Int = __m512i;
  using Float = __m512;

  static constexpr int kSquareRows = 0;  // multiplies no squares
  static void enter() {}
  static void leave() {}

  // Of form int4: a row's step in both halves of its 32 bits, and 128 - 8 * step in each byte.
  struct Steps {
    __m512i by;
    __m512i bias;
  };
  static Steps steps(const std::byte* p, int subgroup) {
    const __m512i all = _mm512_loadu_si512(reinterpret_cast<const void*>(p));
    const __m512i shifted = _mm512_srlv_epi32(all, _mm512_set1_epi32(4 * subgroup));
    const __m512i one = _mm512_and_si512(shifted, _mm512_set1_epi32(15));
    const __m512i by = _mm512_or_si512(one, _mm512_slli_epi32(one, 16));
    const __m512i bytes = _mm512_or_si512(by, _mm512_slli_epi32(by, 8));
    return {by, _mm512_sub_epi8(_mm512_set1_epi8(-128), _mm512_slli_epi32(bytes, 3))};
  }
  // step * (value + 8) is at most 225, so a product of 16 bits is that of both its bytes.
  static __m512i codes(__m512i values, const Steps& s) {
    const __m512i low = _mm512_and_si512(values, _mm512_set1_epi8(15));
    return _mm512_add_epi8(_mm512_mullo_epi16(low, s.by), s.bias);
  }
  static void expand(const uint8_t* pairs, const Steps& s, uint8_t* low, uint8_t* high) {
    const __m512i both = load_codes(pairs);
    _mm512_storeu_si512(reinterpret_cast<void*>(low), codes(both, s));
    _mm512_storeu_si512(reinterpret_cast<void*>(high), codes(_mm512_srli_epi16(both, 4), s));
  }

  static Int zero() { return _mm512_setzero_si512(); }
  static Int broadcast(const int8_t* p) {
    int32_t four = 0;
    __builtin_memcpy(&four, p, 4);
    return _mm512_set1_epi32(four);
  }
  static Int load_codes(const uint8_t* p) {
    return _mm512_loadu_si512(reinterpret_cast<const void*>(p));
  }
  static Int load_sums(const int32_t* p) {
    return _mm512_loadu_si512(reinterpret_cast<const void*>(p));
  }
  static Int sum(Int a, Int b) { return _mm512_add_epi32(a, b); }

  static Float scales(const std::byte* bf16) {
    const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bf16));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
  }
  static Float set(float x) { return _mm512_set1_ps(x); }
  static Float to_float(Int x) { return _mm512_cvtepi32_ps(x); }
  static Float mul(Float a, Float b) { return _mm512_mul_ps(a, b); }
  static Float fma(Float a, Float b, Float c) { return _mm512_fmadd_ps(a, b, c); }
  static Float load(const float* p) { return _mm512_loadu_ps(p); }
  static void store(float* p, Float x) { _mm512_storeu_ps(p, x); }
};

struct Avx512Dots : Avx512Sums {
  static constexpr int kTile = 8;    // rows
  static constexpr int kChains = 1;  // sums that must be under way
  struct Weights {
    __m512i magnitude;
    __mmask64 negative;
  };

  static Int start(const int32_t*) { return zero(); }
  static Weights weights(const uint8_t* p) {
    const __m512i codes = _mm512_xor_si512(load_codes(p), _mm512_set1_epi8(-128));
    return {_mm512_abs_epi8(codes), _mm512_movepi8_mask(codes)};
  }
  static void dot(Int& sum, const Weights& w, Int x) {
    const __m512i turned = _mm512_mask_sub_epi8(x, w.negative, zero(), x);
    const __m512i pairs = _mm512_maddubs_epi16(w.magnitude, turned);
    const __m512i fours = _mm512_madd_epi16(pairs, _mm512_set1_epi16(1));
#ifdef BATON_EMULATED_AVX512
    sum = _mm512_add_epi32(sum, fours);
#else
    asm volatile("vpaddd %1, %0, %0" : "+v"(sum) : "v"(fours));
#endif
  }
};

#if defined(__AVX512VNNI__) || defined(BATON_EMULATED_AVX512)
struct VnniDots : Avx512Sums {
  static constexpr int kTile = 8;    // rows: 16 sums, 2 weights, a broadcast
  static constexpr int kChains = 8;  // a latency of 5 on 1 or 2 ports
  using Weights = __m512i;

  static Int start(const int32_t* shift) { return _mm512_set1_epi32(*shift); }
  static Weights weights(const uint8_t* p) { return load_codes(p); }
  static void dot(Int& sum, const Weights& w, Int x) {
#ifdef BATON_EMULATED_AVX512
    sum = _mm512_dpbusd_epi32(sum, w, x);
#else
    asm volatile("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(w), "v"(x));
#endif
  }
};
#endif

}  // namespace
}  // namespace baton::kernels
