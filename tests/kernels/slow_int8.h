// Slow twins of the INT8 kernels: int8.h read literally, and what a product is without rounding.
//
// Thread safety: pure functions.
#pragma once

#include <bit>
#include <cmath>
#include <vector>

#include "model/kernels/int8/panels.h"
#include "tests/kernels/slow_twins.h"

namespace baton::kernels::testing {

struct SlowRow {
  std::vector<int> codes;     // [cols], segment after segment
  std::vector<float> scales;  // of each group
};

inline float largest_magnitude(const float* x, size_t n) {
  float most = 0;
  for (size_t i = 0; i < n; ++i) most = std::max(most, std::fabs(x[i]));
  return most;
}

// Calls f(begin, n) for each group of a contraction, in order.
template <class F>
void each_group(const Contraction& c, F&& f) {
  for (size_t segment = 0; segment < c.segments; ++segment) {
    for (size_t begin = 0; begin < c.cols; begin += kGroupCols) {
      f(segment * c.cols + begin, std::min<size_t>(kGroupCols, c.cols - begin));
    }
  }
}

inline SlowRow slow_quantize(const float* x, const Contraction& c) {
  SlowRow row;
  each_group(c, [&](size_t begin, size_t n) {
    const float most = largest_magnitude(x + begin, n);
    const bool zero = most < 0x1p-100f;
    row.scales.push_back(zero ? 0 : most / 127);
    const float inverse = zero ? 0 : 127 / most;
    for (size_t i = 0; i < n; ++i) {
      const float scaled = std::min(127.0f, std::max(-127.0f, x[begin + i] * inverse));
      row.codes.push_back(static_cast<int>(std::nearbyint(scaled)));
    }
  });
  return row;
}

// A bfloat16 that is at least `wanted`; 0 for what is too small to count.
inline float slow_scale(float most, float code) {
  const float wanted = most < 0x1p-100f ? 0 : most / code;
  const float down = std::bit_cast<float>(std::bit_cast<uint32_t>(wanted) & 0xffff0000);
  return down < wanted ? std::bit_cast<float>(std::bit_cast<uint32_t>(down) + 0x10000) : down;
}

inline SlowRow slow_quantize_weights(const float* w, const Contraction& c) {
  SlowRow row;
  each_group(c, [&](size_t begin, size_t n) {
    const float scale = slow_scale(largest_magnitude(w + begin, n), 127);
    row.scales.push_back(scale);
    for (size_t i = 0; i < n; ++i) {
      row.codes.push_back(scale == 0 ? 0 : static_cast<int>(std::nearbyint(w[begin + i] / scale)));
    }
  });
  return row;
}

inline float slow_value(float unit, float step) {
  return std::min(7.0f, std::max(-8.0f, std::nearbyint(unit / step)));
}

// The 16 squares in the order of a canonical sum.
inline float slow_error(const std::vector<float>& units, float step) {
  float squares[16] = {};
  for (size_t i = 0; i < units.size(); ++i) {
    const float off = slow_value(units[i], step) * step - units[i];
    squares[i] = off * off;
  }
  for (size_t width = 8; width != 0; width /= 2) {
    for (size_t i = 0; i < width; ++i) squares[i] += squares[i + width];
  }
  return squares[0];
}

// Form int4: codes are products of a subgroup's step and a value.
inline SlowRow slow_quantize_int4(const float* w, const Contraction& c) {
  SlowRow row;
  each_group(c, [&](size_t begin, size_t n) {
    const float scale = slow_scale(largest_magnitude(w + begin, n), 105);
    row.scales.push_back(scale);
    for (size_t i = begin; i < begin + n; i += 16) {
      std::vector<float> units;
      for (size_t j = i; j < std::min(i + 16, begin + n); ++j) {
        units.push_back(scale == 0 ? 0 : w[j] / scale);
      }
      const float most = largest_magnitude(units.data(), units.size()) / 7;
      const auto first = std::clamp(std::ceil(most), 1.0f, 15.0f);
      float best = first;
      for (float step = first - 1; step >= std::max(1.0f, first - 4); --step) {
        if (slow_error(units, step) < slow_error(units, best)) best = step;
      }
      for (const float unit : units) {
        row.codes.push_back(static_cast<int>(best * slow_value(unit, best)));
      }
    }
  });
  return row;
}

inline SlowRow slow_quantize_form(PanelForm form, const float* w, const Contraction& c) {
  return form == PanelForm::int8 ? slow_quantize_weights(w, c) : slow_quantize_int4(w, c);
}

inline float slow_product(const SlowRow& x, const SlowRow& w, const Contraction& c) {
  std::vector<float> parts(c.segments);
  size_t group = 0;
  each_group(c, [&](size_t begin, size_t n) {
    int64_t sum = 0;
    for (size_t i = begin; i < begin + n; ++i) sum += x.codes[i] * w.codes[i];
    float& acc = parts[begin / c.cols];
    acc = std::fma(static_cast<float>(sum), w.scales[group] * x.scales[group], acc);
    ++group;
  });
  for (size_t width = c.segments / 2; width != 0; width /= 2) {
    for (size_t s = 0; s < width; ++s) parts[s] = parts[2 * s] + parts[2 * s + 1];
  }
  return parts[0];
}

// How far a product may be from the one of the values before they were quantised: a value is off by
// half a code and by what rounds the code's factor (3 * 2^-24 of it), so by at most 0.501 of its
// group's scale; a float32 sum of g groups adds (g + 5) * 2^-24 of the magnitudes. Of form int4 a
// weight is off by half a step if it isn't clamped, and a smaller step is only taken where the
// error of the 16 together is no larger, so no weight is off by more than sqrt(16) half steps of
// 15 at most.
inline double quantised_tolerance(const float* x, const float* w, const Contraction& c,
                                  const SlowRow& qx, const SlowRow& qw,
                                  PanelForm form = PanelForm::int8) {
  const double codes_off = form == PanelForm::int8 ? 0.501 : 4 * 7.51;
  double tolerance = 0;
  size_t group = 0;
  each_group(c, [&](size_t begin, size_t n) {
    const double off_x = 0.501 * qx.scales[group] + 0x1p-100;
    const double off_w = codes_off * qw.scales[group] + 0x1p-100;
    for (size_t i = begin; i < begin + n; ++i) {
      const double a = std::fabs(x[i]);
      const double b = std::fabs(w[i]);
      tolerance += a * off_w + b * off_x + off_x * off_w;
      tolerance +=
          (static_cast<double>(qx.scales.size()) + 5) * 0x1p-24 * (a + off_x) * (b + off_w);
    }
    ++group;
  });
  return tolerance;
}

}  // namespace baton::kernels::testing
