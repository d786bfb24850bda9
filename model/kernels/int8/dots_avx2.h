// Integer products with AVX2: 8 weight rows in a register.
//
// vpmaddubsw multiplies unsigned by signed bytes and adds neighbours in 16 bits with saturation. It
// gets |w| and the row's codes with the sign of w: a pair's sum is at most 2 * 127 * 127 = 32,258,
// so it never saturates. vpmaddwd with ones widens it to 32 bits. Thread safety: values.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace baton::kernels {
namespace {

struct Avx2Dots {
  static constexpr int kLanes = 8;    // of a register
  static constexpr int kVectors = 2;  // registers of weights at a time
  static constexpr int kHalves = 2;   // times of them that make a panel
  static constexpr int kBytes = 32;
  static constexpr int kTile = 4;    // rows
  static constexpr int kChains = 1;  // sums that must be under way
  using Int = __m256i;
  using Float = __m256;
  struct Weights {
    __m256i magnitude;
    __m256i signs;
  };

  static constexpr int kSquareRows = 0;  // multiplies no squares
  static void enter() {}
  static void leave() {}

  // Of form int4: a row's step in both halves of its 32 bits, and 128 - 8 * step in each byte.
  struct Steps {
    __m256i by;
    __m256i bias;
  };
  static Steps steps(const std::byte* p, int subgroup) {
    const __m256i all = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    const __m256i shifted = _mm256_srlv_epi32(all, _mm256_set1_epi32(4 * subgroup));
    const __m256i one = _mm256_and_si256(shifted, _mm256_set1_epi32(15));
    const __m256i by = _mm256_or_si256(one, _mm256_slli_epi32(one, 16));
    const __m256i bytes = _mm256_or_si256(by, _mm256_slli_epi32(by, 8));
    return {by, _mm256_sub_epi8(_mm256_set1_epi8(-128), _mm256_slli_epi32(bytes, 3))};
  }
  // step * (value + 8) is at most 225, so a product of 16 bits is that of both its bytes.
  static __m256i codes(__m256i values, const Steps& s) {
    const __m256i low = _mm256_and_si256(values, _mm256_set1_epi8(15));
    return _mm256_add_epi8(_mm256_mullo_epi16(low, s.by), s.bias);
  }
  static void expand(const uint8_t* pairs, const Steps& s, uint8_t* low, uint8_t* high) {
    const __m256i both = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(pairs));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(low), codes(both, s));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(high), codes(_mm256_srli_epi16(both, 4), s));
  }

  static Int zero() { return _mm256_setzero_si256(); }
  static Int start(const int32_t*) { return zero(); }
  static Weights weights(const uint8_t* p) {
    const __m256i biased = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    const __m256i codes = _mm256_xor_si256(biased, _mm256_set1_epi8(-128));
    return {_mm256_abs_epi8(codes), codes};
  }
  static Int broadcast(const int8_t* p) {
    int32_t four = 0;
    __builtin_memcpy(&four, p, 4);
    return _mm256_set1_epi32(four);
  }
  static void dot(Int& sum, const Weights& w, Int x) {
    const __m256i pairs = _mm256_maddubs_epi16(w.magnitude, _mm256_sign_epi8(x, w.signs));
    const __m256i fours = _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
    // In this order, one dot after the other: interleaved, they don't fit the registers.
    asm volatile("vpaddd %1, %0, %0" : "+x"(sum) : "x"(fours));
  }
  static Int sum(Int a, Int b) { return _mm256_add_epi32(a, b); }

  static Float scales(const std::byte* bf16) {
    const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bf16));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
  }
  static Float set(float x) { return _mm256_set1_ps(x); }
  static Float to_float(Int x) { return _mm256_cvtepi32_ps(x); }
  static Float mul(Float a, Float b) { return _mm256_mul_ps(a, b); }
  static Float fma(Float a, Float b, Float c) { return _mm256_fmadd_ps(a, b, c); }
  static Float load(const float* p) { return _mm256_loadu_ps(p); }
  static void store(float* p, Float x) { _mm256_storeu_ps(p, x); }
};

}  // namespace
}  // namespace baton::kernels
