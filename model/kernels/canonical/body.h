// Body: every kernel, written once over an abstract register of 16 lanes.
//
// L is the 16-lane type of a path (lanes_portable.h, lanes_avx2.h, lanes_avx512.h). Each path
// defines its L in an unnamed namespace, so that no instantiation can be shared between files that
// are compiled for different processors. Only this header and lanes_*.h are compiled with such
// flags: include nothing here that has inline functions. Thread safety: pure functions.
#pragma once

#include "model/kernels/kernels.h"

namespace baton::kernels {

template <class L>
struct Body {
  // exp(x) = 2^n * p(r), n = round(x / ln 2), |r| <= 0.347. p is the Taylor polynomial of degree 7:
  // what it leaves out is below r^8 / 8! < 5.3e-9 < 2^-27. Adding 1.5 * 2^23 rounds to n and leaves
  // n in the low bits, from where shift_exponent takes it.
  static L exp(L x) {
    const L clamped = L::min(L::max(x, L::set(-87.5f)), L::set(kExpHighest));
    const L magic = L::set(12582912.0f);
    const L t = L::fma(clamped, L::set(1.44269504f), magic);
    const L n = L::sub(t, magic);
    L r = L::fma(n, L::set(-0.693145751953125f), clamped);  // ln 2 in 16 bits: n times it is exact
    r = L::fma(n, L::set(-1.42860682e-6f), r);
    L p = L::set(1.0f / 5040);
    p = L::fma(p, r, L::set(1.0f / 720));
    p = L::fma(p, r, L::set(1.0f / 120));
    p = L::fma(p, r, L::set(1.0f / 24));
    p = L::fma(p, r, L::set(1.0f / 6));
    p = L::fma(p, r, L::set(0.5f));
    p = L::fma(p, r, L::set(1.0f));
    p = L::fma(p, r, L::set(1.0f));
    return L::zero_where_below(x, L::set(kExpLowest), L::shift_exponent(p, t));
  }

  static L sigmoid(L x) { return L::div(L::set(1), L::add(L::set(1), exp(L::sub(L::set(0), x)))); }

  // Calls f(offset, load, store) for whole groups, then for the partial one. load and store take
  // pointers to the start of the group.
  template <class F>
  static void groups(size_t n, F&& f) {
    size_t i = 0;
    for (; i + kLanes <= n; i += kLanes) {
      f(
          i, [](const float* p) { return L::load(p); }, [](float* p, L v) { L::store(p, v); });
    }
    if (const size_t rest = n - i; rest != 0) {
      f(
          i, [rest](const float* p) { return L::load_first(p, rest); },
          [rest](float* p, L v) { L::store_first(p, v, rest); });
    }
  }

  static void unpack_scaled(const uint8_t* codes, float scale, size_t n, float* out) {
    size_t i = 0;
    for (; i + kLanes <= n; i += kLanes) {
      L::store(out + i, L::mul(L::from_e4m3(codes + i), L::set(scale)));
    }
    if (i < n) {
      uint8_t rest[kLanes] = {};
      __builtin_memcpy(rest, codes + i, n - i);
      L::store_first(out + i, L::mul(L::from_e4m3(rest), L::set(scale)), n - i);
    }
  }

  template <class Convert>
  static void unpack_halves(const uint8_t* data, size_t n, float* out, Convert&& convert) {
    size_t i = 0;
    for (; i + kLanes <= n; i += kLanes) L::store(out + i, convert(data + 2 * i));
    if (i < n) {
      uint8_t rest[2 * kLanes] = {};
      __builtin_memcpy(rest, data + 2 * i, 2 * (n - i));
      L::store_first(out + i, convert(rest), n - i);
    }
  }

  static void unpack(const PackedRow& row, float* out) {
    const auto* data = static_cast<const uint8_t*>(row.data);
    switch (row.format) {
      case Format::f32:
        __builtin_memcpy(out, data, row.count * sizeof(float));
        return;
      case Format::bf16:
        unpack_halves(data, row.count, out, [](const uint8_t* p) { return L::from_bf16(p); });
        return;
      case Format::f16:
        unpack_halves(data, row.count, out, [](const uint8_t* p) { return L::from_f16(p); });
        return;
      case Format::f8_e4m3:
        for (size_t i = 0; i < row.count;) {
          const size_t block = (row.first_col + i) / kScaleBlock;
          size_t end = (block + 1) * kScaleBlock - row.first_col;
          if (end > row.count) end = row.count;
          float scale;
          __builtin_memcpy(&scale, static_cast<const uint8_t*>(row.scales) + 4 * block, 4);
          unpack_scaled(data + i, scale, end - i, out + i);
          i = end;
        }
        return;
    }
  }

  static const float* row(const RowsView& rows, size_t r) {
    return rows.base + (rows.index ? rows.index[r] : r) * rows.stride;
  }

  // One register block: R x W dots of length n.
  template <int R, int W>
  static void tile(const float* const (&a)[R], const float* b, size_t b_stride, size_t n,
                   float (&out)[R][W]) {
    L acc[R][W];
    for (int r = 0; r < R; ++r) {
      for (int w = 0; w < W; ++w) acc[r][w] = L::set(0);
    }
    groups(n, [&](size_t i, auto load, auto) {
      L x[R];
      for (int r = 0; r < R; ++r) x[r] = load(a[r] + i);
      for (int w = 0; w < W; ++w) {
        const L y = load(b + w * b_stride + i);
        for (int r = 0; r < R; ++r) acc[r][w] = L::fma(x[r], y, acc[r][w]);
      }
    });
    for (int r = 0; r < R; ++r) {
      for (int w = 0; w < W; ++w) out[r][w] = L::sum(acc[r][w]);
    }
  }

  template <int R, int W>
  static void split_tile(const Dots& d, size_t r0, size_t w0) {
    const float* a[R];
    for (int r = 0; r < R; ++r) a[r] = row(d.a, r0 + r);
    const float* b = d.b + w0 * d.b_stride;
    float parts[kSegmentsMax][R][W];
    const size_t length = d.n / d.segments;
    for (unsigned s = 0; s < d.segments; ++s) {
      tile<R, W>(a, b + s * length, d.b_stride, length, parts[s]);
      for (int r = 0; r < R; ++r) a[r] += length;
    }
    for (int r = 0; r < R; ++r) {
      for (int w = 0; w < W; ++w) {
        for (unsigned width = d.segments / 2; width != 0; width /= 2) {
          for (unsigned s = 0; s < width; ++s) {
            parts[s][r][w] = parts[2 * s][r][w] + parts[2 * s + 1][r][w];
          }
        }
        d.out[(r0 + r) * d.out_stride + w0 + w] = parts[0][r][w];
      }
    }
  }

  template <int R>
  static void dot_rows(const Dots& d, size_t r0) {
    constexpr int W = R == 1 ? 4 : L::kWeights;
    size_t w = 0;
    for (; w + W <= d.weights; w += W) split_tile<R, W>(d, r0, w);
    for (; w < d.weights; ++w) split_tile<R, 1>(d, r0, w);
  }

  static void dots(const Dots& d) {
    size_t r = 0;
    for (; r + L::kRows <= d.rows; r += L::kRows) dot_rows<L::kRows>(d, r);
    const size_t rest = d.rows - r;
    if (rest == 3) dot_rows<3>(d, r);
    if (rest == 2) dot_rows<2>(d, r);
    if (rest == 1) dot_rows<1>(d, r);
  }

  // G groups of 16 columns of one output row; the last group may be partial.
  template <int G, class Load, class Store>
  static void sum_columns(const WeightedSum& s, size_t r, size_t c, Load load, Store store) {
    const float* w = row(s.w, r);
    float* out = s.out + r * s.out_stride + c;
    const L scale = L::set(s.scales[r]);
    L acc[G];
    for (int g = 0; g < G; ++g) {
      acc[g] = s.scales[r] == 0 ? L::set(0) : L::mul(load(out + g * kLanes), scale);
    }
    const float* x = s.x + c;
    for (uint32_t t = 0; t < s.counts[r]; ++t, x += s.x_stride) {
      const L weight = L::set(w[t]);
      for (int g = 0; g < G; ++g) acc[g] = L::fma(weight, load(x + g * kLanes), acc[g]);
    }
    for (int g = 0; g < G; ++g) store(out + g * kLanes, acc[g]);
  }

  static void weighted_sum(const WeightedSum& s) {
    const auto load = [](const float* p) { return L::load(p); };
    const auto store = [](float* p, L v) { L::store(p, v); };
    size_t c = 0;
    for (; c + 4 * kLanes <= s.cols; c += 4 * kLanes) {
      for (size_t r = 0; r < s.rows; ++r) sum_columns<4>(s, r, c, load, store);
    }
    for (; c + kLanes <= s.cols; c += kLanes) {
      for (size_t r = 0; r < s.rows; ++r) sum_columns<1>(s, r, c, load, store);
    }
    if (const size_t rest = s.cols - c; rest != 0) {
      for (size_t r = 0; r < s.rows; ++r) {
        sum_columns<1>(
            s, r, c, [rest](const float* p) { return L::load_first(p, rest); },
            [rest](float* p, L v) { L::store_first(p, v, rest); });
      }
    }
  }

  static void rms_norm(const float* x, const float* weight, size_t n, float eps, float* out) {
    L squares = L::set(0);
    groups(n, [&](size_t i, auto load, auto) {
      const L v = load(x + i);
      squares = L::fma(v, v, squares);
    });
    const float mean = L::sum(squares) / static_cast<float>(n);
    const L inverse = L::set(1.0f / __builtin_sqrtf(mean + eps));
    groups(n, [&](size_t i, auto load, auto store) {
      store(out + i, L::mul(L::mul(load(x + i), inverse), load(weight + i)));
    });
  }

  static void silu_mul(float* gate, const float* up, size_t n) {
    groups(n, [&](size_t i, auto load, auto store) {
      const L g = load(gate + i);
      const L e = exp(L::sub(L::set(0), g));
      store(gate + i, L::mul(L::div(g, L::add(L::set(1), e)), load(up + i)));
    });
  }

  static void sigmoid_all(const float* x, size_t n, float* out) {
    groups(n, [&](size_t i, auto load, auto store) { store(out + i, sigmoid(load(x + i))); });
  }

  static void add(float* x, const float* y, size_t n) {
    groups(n, [&](size_t i, auto load, auto store) {
      store(x + i, L::add(load(x + i), load(y + i)));
    });
  }

  static void add_scaled(float* x, const float* y, float scale, size_t n) {
    const L factor = L::set(scale);
    groups(n, [&](size_t i, auto load, auto store) {
      store(x + i, L::fma(factor, load(y + i), load(x + i)));
    });
  }

  static void scale(float* x, float factor, size_t n) {
    const L f = L::set(factor);
    groups(n, [&](size_t i, auto load, auto store) { store(x + i, L::mul(load(x + i), f)); });
  }

  static float max(const float* x, size_t n) {
    float largest = -__builtin_inff();
    size_t i = 0;
    if (n >= kLanes) {
      L lanes = L::load(x);
      for (i = kLanes; i + kLanes <= n; i += kLanes) lanes = L::max(lanes, L::load(x + i));
      float all[kLanes];
      L::store(all, lanes);
      for (const float v : all) largest = v > largest ? v : largest;
    }
    for (; i < n; ++i) largest = x[i] > largest ? x[i] : largest;
    return largest;
  }

  static float exp_sum(const float* x, float shift, size_t n, float* out) {
    const L by = L::set(shift);
    L total = L::set(0);
    size_t i = 0;
    for (; i + kLanes <= n; i += kLanes) {
      const L e = exp(L::sub(L::load(x + i), by));
      total = L::add(total, e);
      if (out != nullptr) L::store(out + i, e);
    }
    if (const size_t rest = n - i; rest != 0) {
      const L e = L::first(exp(L::sub(L::load_first(x + i, rest), by)), rest);
      total = L::add(total, e);
      if (out != nullptr) L::store_first(out + i, e, rest);
    }
    return L::sum(total);
  }

  static float softmax_block(float* scores, size_t count, float by, RunningSoftmax* state) {
    scale(scores, by, count);
    const float largest = max(scores, count);
    const float next = state->max > largest ? state->max : largest;
    const float correction = L::first_lane(exp(L::set(state->max - next)));
    const float sum = exp_sum(scores, next, count, scores);
    state->sum = __builtin_fmaf(state->sum, correction, sum);
    state->max = next;
    return correction;
  }

  static constexpr Kernels table(Isa isa, const TileKernels* tiles, const Int8Kernels* int8) {
    return {isa,        unpack, dots, weighted_sum, rms_norm,      silu_mul, sigmoid_all, add,
            add_scaled, scale,  max,  exp_sum,      softmax_block, tiles,    int8};
  }
};

}  // namespace baton::kernels
