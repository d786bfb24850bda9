// 16 lanes in one AVX-512 register. Needs AVX-512 F and DQ. A test compiles it over an emulation of
// the intrinsics (BATON_EMULATED_AVX512). Thread safety: values.
#pragma once

#ifndef BATON_EMULATED_AVX512
#include <immintrin.h>
#endif

#include <cstddef>
#include <cstdint>

namespace baton::kernels {
namespace {

struct Avx512Lanes {
  static constexpr int kRows = 4;
  static constexpr int kWeights = 4;
  static constexpr int kTileRows = 16;  // of a tile's product
  __m512 v;
  using L = Avx512Lanes;

  static __mmask16 mask(size_t n) { return static_cast<__mmask16>((1u << n) - 1); }
  static L set(float x) { return {_mm512_set1_ps(x)}; }
  static L load(const float* p) { return {_mm512_loadu_ps(p)}; }
  static L load_first(const float* p, size_t n) { return {_mm512_maskz_loadu_ps(mask(n), p)}; }
  static void store(float* p, L x) { _mm512_storeu_ps(p, x.v); }
  static void store_first(float* p, L x, size_t n) { _mm512_mask_storeu_ps(p, mask(n), x.v); }
  static L first(L x, size_t n) { return {_mm512_maskz_mov_ps(mask(n), x.v)}; }
  static float first_lane(L x) { return _mm512_cvtss_f32(x.v); }

  static L fma(L a, L b, L c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
  static L add(L a, L b) { return {_mm512_add_ps(a.v, b.v)}; }
  static L sub(L a, L b) { return {_mm512_sub_ps(a.v, b.v)}; }
  static L mul(L a, L b) { return {_mm512_mul_ps(a.v, b.v)}; }
  static L div(L a, L b) { return {_mm512_div_ps(a.v, b.v)}; }
  static L max(L a, L b) { return {_mm512_max_ps(a.v, b.v)}; }
  static L min(L a, L b) { return {_mm512_min_ps(a.v, b.v)}; }
  static L zero_where_below(L x, L limit, L value) {
    return {_mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x.v, limit.v, _CMP_NLT_UQ), value.v)};
  }
  static L shift_exponent(L value, L t) {
    return {_mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(value.v),
                                                 _mm512_slli_epi32(_mm512_castps_si512(t.v), 23)))};
  }
  static float sum(L x) {
    const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(x.v), _mm512_extractf32x8_ps(x.v, 1));
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
  }

  static L abs(L x) {
    const __m512i mask = _mm512_set1_epi32(0x7fffffff);
    return {_mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(x.v), mask))};
  }
  static L round(L x) { return {_mm512_roundscale_ps(x.v, 0)}; }  // to nearest, ties to even
  static L where_below(L a, L limit, L value, L otherwise) {
    return {_mm512_mask_mov_ps(otherwise.v, _mm512_cmp_ps_mask(a.v, limit.v, _CMP_LT_OQ), value.v)};
  }
  static float max_lane(L x) {
    const __m256 eight = _mm256_max_ps(_mm512_castps512_ps256(x.v), _mm512_extractf32x8_ps(x.v, 1));
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
  }
  static void transpose(L (&rows)[16]) {
    __m512 a[16];
    __m512 b[16];
    for (int i = 0; i < 16; i += 2) {  // pairs of rows
      a[i] = _mm512_unpacklo_ps(rows[i].v, rows[i + 1].v);
      a[i + 1] = _mm512_unpackhi_ps(rows[i].v, rows[i + 1].v);
    }
    for (int i = 0; i < 16; i += 4) {  // b[i + k]: column k of each quarter, of four rows
      b[i] = _mm512_shuffle_ps(a[i], a[i + 2], 0x44);
      b[i + 1] = _mm512_shuffle_ps(a[i], a[i + 2], 0xee);
      b[i + 2] = _mm512_shuffle_ps(a[i + 1], a[i + 3], 0x44);
      b[i + 3] = _mm512_shuffle_ps(a[i + 1], a[i + 3], 0xee);
    }
    for (int k = 0; k < 4; ++k) {  // quarters 0 and 2, then 1 and 3, of all rows
      const __m512 even_low = _mm512_shuffle_f32x4(b[k], b[k + 4], 0x88);
      const __m512 even_high = _mm512_shuffle_f32x4(b[k + 8], b[k + 12], 0x88);
      const __m512 odd_low = _mm512_shuffle_f32x4(b[k], b[k + 4], 0xdd);
      const __m512 odd_high = _mm512_shuffle_f32x4(b[k + 8], b[k + 12], 0xdd);
      rows[k] = {_mm512_shuffle_f32x4(even_low, even_high, 0x88)};
      rows[k + 8] = {_mm512_shuffle_f32x4(even_low, even_high, 0xdd)};
      rows[k + 4] = {_mm512_shuffle_f32x4(odd_low, odd_high, 0x88)};
      rows[k + 12] = {_mm512_shuffle_f32x4(odd_low, odd_high, 0xdd)};
    }
  }
  static void store_int8(int8_t* p, L x) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(x.v)));
  }
  static void store_bf16(uint8_t* p, L x) {
    const __m512i bits = _mm512_castps_si512(x.v);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i sum = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                        _mm512_cvtepi32_epi16(_mm512_srli_epi32(sum, 16)));
  }
  static void store_e4m3(uint8_t* p, L x) {
    const __m512i bits = _mm512_castps_si512(_mm512_mul_ps(x.v, _mm512_set1_ps(0x1p-120f)));
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 20), _mm512_set1_epi32(1));
    const __m512i size = _mm512_and_si512(bits, _mm512_set1_epi32(0x7fffffff));
    const __m512i sum = _mm512_add_epi32(size, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7ffff)));
    const __m512i sign = _mm512_and_si512(_mm512_srli_epi32(bits, 24), _mm512_set1_epi32(0x80));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                     _mm512_cvtepi32_epi8(_mm512_or_si512(_mm512_srli_epi32(sum, 20), sign)));
  }

  static __m256i load32(const uint8_t* p) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  }
  static L from_bf16(const uint8_t* p) {
    return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(load32(p)), 16))};
  }
  static L from_f16(const uint8_t* p) { return {_mm512_cvtph_ps(load32(p))}; }
  static L from_e4m3(const uint8_t* p) {
    const __m512i wide = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    const __m512i sign = _mm512_slli_epi32(_mm512_and_si512(wide, _mm512_set1_epi32(0x80)), 24);
    const __m512i bits = _mm512_slli_epi32(_mm512_and_si512(wide, _mm512_set1_epi32(0x7f)), 20);
    const __m512 value = _mm512_mul_ps(_mm512_castsi512_ps(bits), _mm512_set1_ps(0x1p120f));
    return {_mm512_or_ps(value, _mm512_castsi512_ps(sign))};
  }
};

}  // namespace
}  // namespace baton::kernels
