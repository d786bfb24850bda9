// Integer products in plain C++, 16 weight rows at a time. Thread safety: values.
#pragma once

#include <cstddef>
#include <cstdint>

namespace baton::kernels {
namespace {

struct PortableDots {
  static constexpr int kLanes = 16;
  static constexpr int kVectors = 1;
  static constexpr int kHalves = 2;
  static constexpr int kBytes = 64;
  static constexpr int kTile = 1;
  static constexpr int kChains = 1;
  struct Int {
    int32_t v[16];
  };
  struct Float {
    float v[16];
  };
  struct Weights {
    const uint8_t* codes;
  };

  static constexpr int kSquareRows = 0;  // multiplies no squares
  static void enter() {}
  static void leave() {}

  // Of form int4: the eight steps of each row.
  struct Steps {
    uint8_t v[16];
  };
  static Steps steps(const std::byte* p, int subgroup) {
    Steps out;
    for (int i = 0; i < 16; ++i) {
      uint32_t all = 0;
      __builtin_memcpy(&all, p + 4 * i, 4);
      out.v[i] = static_cast<uint8_t>(all >> (4 * subgroup) & 15);
    }
    return out;
  }
  static void expand(const uint8_t* pairs, const Steps& s, uint8_t* low, uint8_t* high) {
    for (int i = 0; i < 64; ++i) {
      const int step = s.v[i / 4];
      low[i] = static_cast<uint8_t>(step * ((pairs[i] & 15) - 8) + 128);
      high[i] = static_cast<uint8_t>(step * ((pairs[i] >> 4) - 8) + 128);
    }
  }

  static Int zero() { return {}; }
  static Int start(const int32_t*) { return zero(); }
  static Weights weights(const uint8_t* p) { return {p}; }
  static Int broadcast(const int8_t* p) {
    Int four{};
    for (int i = 0; i < 4; ++i) four.v[i] = p[i];
    return four;
  }
  static void dot(Int& sum, const Weights& w, const Int& x) {
    for (int lane = 0; lane < 16; ++lane) {
      for (int i = 0; i < 4; ++i) sum.v[lane] += (w.codes[4 * lane + i] - 128) * x.v[i];
    }
  }
  static Int sum(const Int& a, const Int& b) {
    Int out;
    for (int i = 0; i < 16; ++i) out.v[i] = a.v[i] + b.v[i];
    return out;
  }

  template <class F>
  static Float each(F&& f) {
    Float out;
    for (int i = 0; i < 16; ++i) out.v[i] = f(i);
    return out;
  }
  static Float scales(const std::byte* bf16) {
    return each([&](int i) {
      uint16_t half = 0;
      __builtin_memcpy(&half, bf16 + 2 * i, 2);
      const uint32_t bits = static_cast<uint32_t>(half) << 16;
      float x = 0;
      __builtin_memcpy(&x, &bits, 4);
      return x;
    });
  }
  static Float set(float x) {
    return each([&](int) { return x; });
  }
  static Float to_float(const Int& x) {
    return each([&](int i) { return static_cast<float>(x.v[i]); });
  }
  static Float mul(const Float& a, const Float& b) {
    return each([&](int i) { return a.v[i] * b.v[i]; });
  }
  static Float fma(const Float& a, const Float& b, const Float& c) {
    return each([&](int i) { return __builtin_fmaf(a.v[i], b.v[i], c.v[i]); });
  }
  static Float load(const float* p) {
    return each([&](int i) { return p[i]; });
  }
  static void store(float* p, const Float& x) { __builtin_memcpy(p, x.v, sizeof x.v); }
};

}  // namespace
}  // namespace baton::kernels
