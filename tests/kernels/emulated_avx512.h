// What the AVX-512 paths use and SIMDe 0.7 lacks, or rounds twice (multiply-add), in plain C++,
// lane by lane.
//
// As Intel's intrinsics guide defines them. Thread safety: pure functions.
#pragma once

#include <cstdint>
#include <cstring>

using __mmask16 = simde__mmask16;
using __mmask64 = simde__mmask64;

namespace baton::kernels {
namespace {

template <class To, class From>
To same_bits(const From& from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  std::memcpy(&to, &from, sizeof to);
  return to;
}

template <class T, size_t N>
struct Array {
  T v[N];
};
using Floats = Array<float, 16>;
using Ints = Array<int32_t, 16>;

inline __m512 _mm512_maskz_loadu_ps(__mmask16 mask, const float* p) {
  Floats out{};
  for (int i = 0; i < 16; ++i) {
    if ((mask >> i & 1) != 0) out.v[i] = p[i];
  }
  return same_bits<__m512>(out);
}
inline void _mm512_mask_storeu_ps(float* p, __mmask16 mask, __m512 x) {
  const auto values = same_bits<Floats>(x);
  for (int i = 0; i < 16; ++i) {
    if ((mask >> i & 1) != 0) p[i] = values.v[i];
  }
}
inline float _mm512_cvtss_f32(__m512 x) { return same_bits<Floats>(x).v[0]; }
inline __m512 emulated_fmadd(__m512 a, __m512 b, __m512 c) {
  const auto x = same_bits<Floats>(a);
  const auto y = same_bits<Floats>(b);
  auto z = same_bits<Floats>(c);
  for (int i = 0; i < 16; ++i) z.v[i] = __builtin_fmaf(x.v[i], y.v[i], z.v[i]);
  return same_bits<__m512>(z);
}
inline __m512 emulated_shuffle_f32x4(__m512 a, __m512 b, int control) {
  const auto x = same_bits<Array<__m128, 4>>(a);
  const auto y = same_bits<Array<__m128, 4>>(b);
  return same_bits<__m512>(Array<__m128, 4>{x.v[control & 3], x.v[control >> 2 & 3],
                                            y.v[control >> 4 & 3], y.v[control >> 6 & 3]});
}
inline __m256 extract_half(__m512 x, int which) {
  Array<float, 8> out;
  std::memcpy(&out, reinterpret_cast<const char*>(&x) + 32 * which, 32);
  return same_bits<__m256>(out);
}
inline __m512i _mm512_cvtps_epi32(__m512 x) {
  const auto values = same_bits<Floats>(x);
  Ints out;
  for (int i = 0; i < 16; ++i) out.v[i] = static_cast<int32_t>(__builtin_nearbyintf(values.v[i]));
  return same_bits<__m512i>(out);
}
inline __m512 _mm512_cvtepi32_ps(__m512i x) {
  const auto values = same_bits<Ints>(x);
  Floats out;
  for (int i = 0; i < 16; ++i) out.v[i] = static_cast<float>(values.v[i]);
  return same_bits<__m512>(out);
}
inline __m128i _mm512_cvtepi32_epi8(__m512i x) {
  const auto values = same_bits<Ints>(x);
  Array<uint8_t, 16> out;
  for (int i = 0; i < 16; ++i) out.v[i] = static_cast<uint8_t>(values.v[i]);
  return same_bits<__m128i>(out);
}
inline __m256i _mm512_cvtepi32_epi16(__m512i x) {
  const auto values = same_bits<Ints>(x);
  Array<uint16_t, 16> out;
  for (int i = 0; i < 16; ++i) out.v[i] = static_cast<uint16_t>(values.v[i]);
  return same_bits<__m256i>(out);
}
inline __m512i _mm512_cvtepu16_epi32(__m256i x) {
  const auto values = same_bits<Array<uint16_t, 16>>(x);
  Ints out;
  for (int i = 0; i < 16; ++i) out.v[i] = values.v[i];
  return same_bits<__m512i>(out);
}
inline __m512i _mm512_cvtepu8_epi32(__m128i x) {
  const auto values = same_bits<Array<uint8_t, 16>>(x);
  Ints out;
  for (int i = 0; i < 16; ++i) out.v[i] = values.v[i];
  return same_bits<__m512i>(out);
}
// A half's value is exact in float32, so any conversion of it is this one.
inline __m512 _mm512_cvtph_ps(__m256i x) {
  const auto halves = same_bits<Array<uint16_t, 16>>(x);
  Floats out;
  for (int i = 0; i < 16; ++i) {
    const uint32_t magnitude = halves.v[i] & 0x7fffu;
    const uint32_t bits = magnitude >= 0x7c00 ? magnitude << 13 | 0x7f800000 : magnitude << 13;
    const float value = same_bits<float>(bits) * (magnitude >= 0x7c00 ? 1.0f : 0x1p112f);
    out.v[i] = (halves.v[i] & 0x8000) != 0 ? -value : value;
  }
  return same_bits<__m512>(out);
}
inline __m512i emulated_madd(__m512i a, __m512i b) {
  const auto x = same_bits<Array<int16_t, 32>>(a);
  const auto y = same_bits<Array<int16_t, 32>>(b);
  Ints out;
  for (int i = 0; i < 16; ++i) {
    out.v[i] = x.v[2 * i] * y.v[2 * i] + x.v[2 * i + 1] * y.v[2 * i + 1];
  }
  return same_bits<__m512i>(out);
}
// 16-bit sums of unsigned times signed bytes, saturated.
inline __m512i emulated_maddubs(__m512i a, __m512i b) {
  const auto x = same_bits<Array<uint8_t, 64>>(a);
  const auto y = same_bits<Array<int8_t, 64>>(b);
  Array<int16_t, 32> out;
  for (int i = 0; i < 32; ++i) {
    const int sum = x.v[2 * i] * y.v[2 * i] + x.v[2 * i + 1] * y.v[2 * i + 1];
    out.v[i] = static_cast<int16_t>(sum > 32767 ? 32767 : sum < -32768 ? -32768 : sum);
  }
  return same_bits<__m512i>(out);
}

}  // namespace
}  // namespace baton::kernels

#undef _mm512_fmadd_ps
#define _mm512_fmadd_ps(a, b, c) emulated_fmadd(a, b, c)
#undef _mm512_shuffle_f32x4
#define _mm512_shuffle_f32x4(a, b, control) emulated_shuffle_f32x4(a, b, control)
#undef _mm512_madd_epi16
#define _mm512_madd_epi16(a, b) emulated_madd(a, b)
#undef _mm512_maddubs_epi16
#define _mm512_maddubs_epi16(a, b) emulated_maddubs(a, b)
#undef _mm512_extractf32x8_ps
#define _mm512_extractf32x8_ps(x, which) extract_half(x, which)
