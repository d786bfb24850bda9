// 16 lanes in two AVX2 registers: lanes 0..7 and 8..15. Needs AVX2, FMA and F16C.
// Thread safety: values.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace baton::kernels {
namespace {

// Minus ones, then zeros: eight from 8 - n on select the first n lanes.
alignas(64) constexpr int32_t kMasks[32] = {-1, -1, -1, -1, -1, -1, -1, -1,  //
                                            -1, -1, -1, -1, -1, -1, -1, -1};

struct Avx2Lanes {
  static constexpr int kRows = 3;
  static constexpr int kWeights = 2;
  static constexpr int kTileRows = 6;  // of a tile's product
  __m256 low;
  __m256 high;
  using L = Avx2Lanes;

  static L set(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
  static L load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
  static __m256i low_mask(size_t n) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kMasks + 16 - n));
  }
  static __m256i high_mask(size_t n) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kMasks + 24 - n));
  }
  static L load_first(const float* p, size_t n) {
    return {_mm256_maskload_ps(p, low_mask(n)), _mm256_maskload_ps(p + 8, high_mask(n))};
  }
  static void store(float* p, L x) {
    _mm256_storeu_ps(p, x.low);
    _mm256_storeu_ps(p + 8, x.high);
  }
  static void store_first(float* p, L x, size_t n) {
    _mm256_maskstore_ps(p, low_mask(n), x.low);
    _mm256_maskstore_ps(p + 8, high_mask(n), x.high);
  }
  static L first(L x, size_t n) {
    return {_mm256_and_ps(x.low, _mm256_castsi256_ps(low_mask(n))),
            _mm256_and_ps(x.high, _mm256_castsi256_ps(high_mask(n)))};
  }
  static float first_lane(L x) { return _mm256_cvtss_f32(x.low); }

  static L fma(L a, L b, L c) {
    return {_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
  }
  static L add(L a, L b) { return {_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)}; }
  static L sub(L a, L b) { return {_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high)}; }
  static L mul(L a, L b) { return {_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)}; }
  static L div(L a, L b) { return {_mm256_div_ps(a.low, b.low), _mm256_div_ps(a.high, b.high)}; }
  static L max(L a, L b) { return {_mm256_max_ps(a.low, b.low), _mm256_max_ps(a.high, b.high)}; }
  static L min(L a, L b) { return {_mm256_min_ps(a.low, b.low), _mm256_min_ps(a.high, b.high)}; }
  static L zero_where_below(L x, L limit, L value) {
    return {_mm256_andnot_ps(_mm256_cmp_ps(x.low, limit.low, _CMP_LT_OQ), value.low),
            _mm256_andnot_ps(_mm256_cmp_ps(x.high, limit.high, _CMP_LT_OQ), value.high)};
  }
  static __m256 shift_exponent(__m256 value, __m256 t) {
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(value),
                                                _mm256_slli_epi32(_mm256_castps_si256(t), 23)));
  }
  static L shift_exponent(L value, L t) {
    return {shift_exponent(value.low, t.low), shift_exponent(value.high, t.high)};
  }
  static float sum(L x) {
    const __m256 eight = _mm256_add_ps(x.low, x.high);
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
  }

  static L abs(L x) {
    const __m256 mask = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
    return {_mm256_and_ps(x.low, mask), _mm256_and_ps(x.high, mask)};
  }
  static L round(L x) {
    constexpr int kNearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
    return {_mm256_round_ps(x.low, kNearest), _mm256_round_ps(x.high, kNearest)};
  }
  static L where_below(L a, L limit, L value, L otherwise) {
    return {_mm256_blendv_ps(otherwise.low, value.low, _mm256_cmp_ps(a.low, limit.low, _CMP_LT_OQ)),
            _mm256_blendv_ps(otherwise.high, value.high,
                             _mm256_cmp_ps(a.high, limit.high, _CMP_LT_OQ))};
  }
  static float max_lane(L x) {
    const __m256 eight = _mm256_max_ps(x.low, x.high);
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
  }
  // 8 x 8, in place.
  static void turn(__m256 (&r)[8]) {
    __m256 pairs[8];
    for (int i = 0; i < 8; i += 2) {
      pairs[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
      pairs[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    __m256 fours[8];
    for (int i = 0; i < 8; i += 4) {
      fours[i] = _mm256_shuffle_ps(pairs[i], pairs[i + 2], 0x44);
      fours[i + 1] = _mm256_shuffle_ps(pairs[i], pairs[i + 2], 0xee);
      fours[i + 2] = _mm256_shuffle_ps(pairs[i + 1], pairs[i + 3], 0x44);
      fours[i + 3] = _mm256_shuffle_ps(pairs[i + 1], pairs[i + 3], 0xee);
    }
    for (int i = 0; i < 4; ++i) {
      r[i] = _mm256_permute2f128_ps(fours[i], fours[i + 4], 0x20);
      r[i + 4] = _mm256_permute2f128_ps(fours[i], fours[i + 4], 0x31);
    }
  }
  static void transpose(L (&rows)[16]) {
    __m256 quarter[2][2][8];
    for (int half = 0; half < 2; ++half) {
      for (int i = 0; i < 8; ++i) {
        quarter[half][0][i] = rows[8 * half + i].low;
        quarter[half][1][i] = rows[8 * half + i].high;
      }
      turn(quarter[half][0]);
      turn(quarter[half][1]);
    }
    for (int half = 0; half < 2; ++half) {
      for (int i = 0; i < 8; ++i) rows[8 * half + i] = {quarter[0][half][i], quarter[1][half][i]};
    }
  }
  static __m128i to_int16(__m256 x) {
    const __m256i whole = _mm256_cvtps_epi32(x);
    return _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
  }
  static void store_int8(int8_t* p, L x) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                     _mm_packs_epi16(to_int16(x.low), to_int16(x.high)));
  }
  static __m128i bf16_bits(__m256 x) {
    const __m256i bits = _mm256_castps_si256(x);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i sum = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
    const __m256i high = _mm256_srli_epi32(sum, 16);
    return _mm_packus_epi32(_mm256_castsi256_si128(high), _mm256_extracti128_si256(high, 1));
  }
  static void store_bf16(uint8_t* p, L x) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), bf16_bits(x.low));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p + 16), bf16_bits(x.high));
  }
  static __m128i e4m3_codes(__m256 x) {
    const __m256i bits = _mm256_castps_si256(_mm256_mul_ps(x, _mm256_set1_ps(0x1p-120f)));
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 20), _mm256_set1_epi32(1));
    const __m256i size = _mm256_and_si256(bits, _mm256_set1_epi32(0x7fffffff));
    const __m256i sum = _mm256_add_epi32(size, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7ffff)));
    const __m256i sign = _mm256_and_si256(_mm256_srli_epi32(bits, 24), _mm256_set1_epi32(0x80));
    const __m256i codes = _mm256_or_si256(_mm256_srli_epi32(sum, 20), sign);
    return _mm_packus_epi32(_mm256_castsi256_si128(codes), _mm256_extracti128_si256(codes, 1));
  }
  static void store_e4m3(uint8_t* p, L x) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                     _mm_packus_epi16(e4m3_codes(x.low), e4m3_codes(x.high)));
  }

  static __m128i load16(const uint8_t* p) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  }
  static __m256 bf16(const uint8_t* p) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(load16(p)), 16));
  }
  static L from_bf16(const uint8_t* p) { return {bf16(p), bf16(p + 16)}; }
  static L from_f16(const uint8_t* p) {
    return {_mm256_cvtph_ps(load16(p)), _mm256_cvtph_ps(load16(p + 16))};
  }
  static __m256 e4m3(__m128i codes) {
    const __m256i wide = _mm256_cvtepu8_epi32(codes);
    const __m256i sign = _mm256_slli_epi32(_mm256_and_si256(wide, _mm256_set1_epi32(0x80)), 24);
    const __m256i bits = _mm256_slli_epi32(_mm256_and_si256(wide, _mm256_set1_epi32(0x7f)), 20);
    const __m256 value = _mm256_mul_ps(_mm256_castsi256_ps(bits), _mm256_set1_ps(0x1p120f));
    return _mm256_or_ps(value, _mm256_castsi256_ps(sign));
  }
  static L from_e4m3(const uint8_t* p) {
    const __m128i codes = load16(p);
    return {e4m3(codes), e4m3(_mm_srli_si128(codes, 8))};
  }
};

}  // namespace
}  // namespace baton::kernels
