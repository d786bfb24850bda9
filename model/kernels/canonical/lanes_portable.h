// 16 lanes in plain C++: the path of any processor, and the definition that the others follow.
//
// fmaf is exact on every processor, in software where there is no instruction. Thread safety:
// values.
#pragma once

#include <cstddef>
#include <cstdint>

namespace baton::kernels {
namespace {

struct PortableLanes {
  static constexpr int kRows = 1;
  static constexpr int kWeights = 1;
  static constexpr int kTileRows = 1;  // of a tile's product
  float v[16];

  template <class F>
  static PortableLanes each(F&& f) {
    PortableLanes out;
    for (int i = 0; i < 16; ++i) out.v[i] = f(i);
    return out;
  }
  using L = PortableLanes;

  static L set(float x) {
    return each([&](int) { return x; });
  }
  static L load(const float* p) { return load_first(p, 16); }
  static L load_first(const float* p, size_t n) {
    L out = set(0);
    __builtin_memcpy(out.v, p, n * sizeof(float));
    return out;
  }
  static void store(float* p, L x) { __builtin_memcpy(p, x.v, sizeof x.v); }
  static void store_first(float* p, L x, size_t n) { __builtin_memcpy(p, x.v, n * sizeof(float)); }
  static L first(L x, size_t n) {
    return each([&](int i) { return static_cast<size_t>(i) < n ? x.v[i] : 0.0f; });
  }
  static float first_lane(L x) { return x.v[0]; }

  static L fma(L a, L b, L c) {
    return each([&](int i) { return __builtin_fmaf(a.v[i], b.v[i], c.v[i]); });
  }
  static L add(L a, L b) {
    return each([&](int i) { return a.v[i] + b.v[i]; });
  }
  static L sub(L a, L b) {
    return each([&](int i) { return a.v[i] - b.v[i]; });
  }
  static L mul(L a, L b) {
    return each([&](int i) { return a.v[i] * b.v[i]; });
  }
  static L div(L a, L b) {
    return each([&](int i) { return a.v[i] / b.v[i]; });
  }
  static L max(L a, L b) {
    return each([&](int i) { return a.v[i] > b.v[i] ? a.v[i] : b.v[i]; });
  }
  static L min(L a, L b) {
    return each([&](int i) { return a.v[i] < b.v[i] ? a.v[i] : b.v[i]; });
  }
  static L zero_where_below(L x, L limit, L value) {
    return each([&](int i) { return x.v[i] < limit.v[i] ? 0.0f : value.v[i]; });
  }
  // value * 2^n, where n lies in the low bits of `t`.
  static L shift_exponent(L value, L t) {
    return each([&](int i) {
      uint32_t bits = 0;
      uint32_t low = 0;
      __builtin_memcpy(&bits, &value.v[i], 4);
      __builtin_memcpy(&low, &t.v[i], 4);
      return float_of(bits + (low << 23));
    });
  }
  static float sum(L x) {
    for (int width = 8; width != 0; width /= 2) {
      for (int i = 0; i < width; ++i) x.v[i] += x.v[i + width];
    }
    return x.v[0];
  }

  static L abs(L x) {
    return each([&](int i) { return __builtin_fabsf(x.v[i]); });
  }
  // To nearest, ties to even, of magnitudes below 2^22.
  static L round(L x) {
    return each([&](int i) {
      const float shifted = x.v[i] + 12582912.0f;
      return shifted - 12582912.0f;
    });
  }
  static L where_below(L a, L limit, L value, L otherwise) {
    return each([&](int i) { return a.v[i] < limit.v[i] ? value.v[i] : otherwise.v[i]; });
  }
  static float max_lane(L x) {
    float most = x.v[0];
    for (const float v : x.v) most = v > most ? v : most;
    return most;
  }
  static void transpose(L (&rows)[16]) {
    for (int i = 0; i < 16; ++i) {
      for (int j = 0; j < i; ++j) {
        const float x = rows[i].v[j];
        rows[i].v[j] = rows[j].v[i];
        rows[j].v[i] = x;
      }
    }
  }
  static void store_int8(int8_t* p, L x) {
    for (int i = 0; i < 16; ++i) p[i] = static_cast<int8_t>(x.v[i]);
  }
  static void store_bf16(uint8_t* p, L x) {  // to nearest, ties to even
    for (int i = 0; i < 16; ++i) {
      uint32_t bits = 0;
      __builtin_memcpy(&bits, &x.v[i], 4);
      bits = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
      p[2 * i] = static_cast<uint8_t>(bits);
      p[2 * i + 1] = static_cast<uint8_t>(bits >> 8);
    }
  }
  // The bits of the value times 2^-120 moved down are the code, subnormals included; to nearest,
  // ties to even, of magnitudes up to 448.
  static void store_e4m3(uint8_t* p, L x) {
    for (int i = 0; i < 16; ++i) {
      const float small = x.v[i] * 0x1p-120f;
      uint32_t bits = 0;
      __builtin_memcpy(&bits, &small, 4);
      const uint32_t code = ((bits & 0x7fffffff) + 0x7ffff + ((bits >> 20) & 1)) >> 20;
      p[i] = static_cast<uint8_t>(code | (bits >> 24 & 0x80));
    }
  }

  static float float_of(uint32_t bits) {
    float x = 0;
    __builtin_memcpy(&x, &bits, 4);
    return x;
  }
  static uint32_t half_at(const uint8_t* p, int i) {
    return static_cast<uint32_t>(p[2 * i]) | static_cast<uint32_t>(p[2 * i + 1]) << 8;
  }
  static L from_bf16(const uint8_t* p) {
    return each([&](int i) { return float_of(half_at(p, i) << 16); });
  }
  static L from_f16(const uint8_t* p) {
    return each([&](int i) {
      const uint32_t half = half_at(p, i);
      const uint32_t magnitude = half & 0x7fff;
      // Below the exponent's end, a half's bits moved up are the value times 2^-112, subnormals
      // included. Infinities and NaN keep their exponent of ones.
      const float x = magnitude >= 0x7c00 ? float_of(magnitude << 13 | 0x7f800000)
                                          : float_of(magnitude << 13) * 0x1p112f;
      return (half & 0x8000) != 0 ? -x : x;
    });
  }
  // A code's bits moved up are the value times 2^-120. The two NaN codes become 480.
  static L from_e4m3(const uint8_t* p) {
    return each([&](int i) {
      const uint32_t code = p[i];
      const float x = float_of((code & 0x7f) << 20) * 0x1p120f;
      return (code & 0x80) != 0 ? -x : x;
    });
  }
};

}  // namespace
}  // namespace baton::kernels
