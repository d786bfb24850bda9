// Int8Body: quantisation and integer products, written once over the registers of a path.
//
// L is the path's 16 float lanes (canonical/lanes_*.h), P its integer products (int8/dots_*.h).
// Compiled with the path's own flags: include nothing here that has inline functions.
//
// A tile is some rows times one panel: each quad of weights is loaded once for all rows of the
// tile, each row's four codes are broadcast, and the sums of a group never leave the registers.
// The float accumulators of up to 96 rows stay in the first-level cache. Thread safety: pure
// functions.
#pragma once

#include "model/kernels/int8/int8.h"

namespace baton::kernels {

template <class L, class P>
struct Int8Body {
  static float largest(const float* x, size_t n) {
    L most = L::set(0);
    size_t i = 0;
    for (; i + 16 <= n; i += 16) most = L::max(L::abs(L::load(x + i)), most);
    if (i < n) most = L::max(L::abs(L::load_first(x + i, n - i)), most);
    return L::max_lane(most);
  }

  // Codes of up to 16 values; what follows them up to a multiple of 4 becomes 0.
  static void store_codes(int8_t* codes, L rounded, size_t n) {
    int8_t all[16];
    L::store_int8(all, rounded);
    __builtin_memcpy(codes, all, (n + 3) / 4 * 4);
  }

  static L clamp(L x) { return L::min(L::max(x, L::set(-127)), L::set(127)); }

  // Codes of one group. Returns their sum, which is an integer below 2^14.
  static float quantize_group(const float* x, size_t n, float inverse, int8_t* codes) {
    const L factor = L::set(inverse);
    L total = L::set(0);
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
      const L code = L::round(clamp(L::mul(L::load(x + i), factor)));
      total = L::add(total, code);
      L::store_int8(codes + i, code);
    }
    if (i < n) {
      const L code = L::round(clamp(L::mul(L::load_first(x + i, n - i), factor)));
      total = L::add(total, code);
      store_codes(codes + i, code, n - i);
    }
    return L::sum(total);
  }

  static void quantize(const Int8Quantize& q) {
    const size_t cols = q.contraction.cols;
    const float* x = q.x;
    int8_t* codes = q.codes;
    size_t group = 0;
    for (size_t segment = 0; segment < q.contraction.segments; ++segment) {
      for (size_t begin = 0; begin < cols; begin += kGroupCols, ++group) {
        const size_t n = cols - begin < kGroupCols ? cols - begin : kGroupCols;
        const float most = largest(x + begin, n);
        const bool zero = !(most >= kQuantisedLeast);
        q.scales[group] = zero ? 0 : most / 127;
        const float sum = quantize_group(x + begin, n, zero ? 0 : 127 / most, codes + begin);
        q.shifts[group] = -128 * static_cast<int32_t>(sum);
      }
      x += cols;
      codes += (cols + 3) / 4 * 4;
    }
  }

  // A group's scale, that of its largest value for this code, and the scale's bfloat16 bits.
  static uint32_t scale_up(float most, float code, float& scale) {
    const float wanted = most >= kQuantisedLeast ? most / code : 0;
    uint32_t bits = 0;
    __builtin_memcpy(&bits, &wanted, 4);
    bits = (bits + 0xffff) & 0xffff0000;
    __builtin_memcpy(&scale, &bits, 4);
    return bits;
  }

  static uint16_t quantize_weights(const float* w, size_t n, int8_t* codes) {
    float scale = 0;
    const uint32_t bits = scale_up(largest(w, n), 127, scale);
    const L divisor = L::set(scale == 0 ? 1 : scale);
    const float by = scale == 0 ? 0 : 1;  // of a row that is zero
    for (size_t i = 0; i < n; i += 16) {
      const size_t count = n - i < 16 ? n - i : 16;
      const L value = L::mul(L::load_first(w + i, count), L::set(by));
      int8_t all[16];
      L::store_int8(all, L::round(clamp(L::div(value, divisor))));
      __builtin_memcpy(codes + i, all, count);
    }
    return static_cast<uint16_t>(bits >> 16);
  }

  static L int4_values(L units, L step) {
    const L rounded = L::round(L::div(units, step));
    return L::min(L::max(rounded, L::set(-kValueMax - 1)), L::set(kValueMax));
  }

  // The step of a subgroup, of which `units` are the values over the group's scale.
  static float int4_step(L units) {
    const float most = L::max_lane(L::abs(units)) / kValueMax;
    float step = 1;
    while (step < most && step < kStepMax) step += 1;
    const float least = step > 4 ? step - 4 : 1;
    float best = step;
    float best_error = 0;
    for (float tried = step; tried >= least; tried -= 1) {
      const L off = L::sub(L::mul(int4_values(units, L::set(tried)), L::set(tried)), units);
      const float error = L::sum(L::mul(off, off));
      if (tried == step || error < best_error) {
        best = tried;
        best_error = error;
      }
    }
    return best;
  }

  static uint16_t quantize_int4(const float* w, size_t n, int8_t* values, uint8_t* steps) {
    float scale = 0;
    const uint32_t bits = scale_up(largest(w, n), kStepMax * kValueMax, scale);
    for (size_t i = 0; i < n; i += kSubgroupCols) {
      const size_t count = n - i < kSubgroupCols ? n - i : kSubgroupCols;
      const L value = scale == 0 ? L::set(0) : L::load_first(w + i, count);
      const L units = L::div(value, L::set(scale == 0 ? 1 : scale));
      const float step = int4_step(units);
      steps[i / kSubgroupCols] = static_cast<uint8_t>(step);
      int8_t all[16];
      L::store_int8(all, int4_values(units, L::set(step)));
      __builtin_memcpy(values + i, all, count);
    }
    return static_cast<uint16_t>(bits >> 16);
  }

  // The biased codes of a block of form int4, as they lie in one of form int8. Writes whole pairs
  // of quads.
  static void expand(const std::byte* block, size_t quads, uint8_t* codes) {
    constexpr size_t kQuads = kSubgroupCols / kQuadCols;
    for (size_t lane = 0; lane < kInt8PanelRows; lane += P::kLanes) {
      const std::byte* rows = block + kBlockScaleBytes + 4 * lane;
      const auto* pairs = reinterpret_cast<const uint8_t*>(rows + kBlockStepBytes);
      for (size_t first = 0; first < quads; first += kQuads) {
        const auto steps = P::steps(rows, static_cast<int>(first / kQuads));
        const size_t end = first + kQuads < quads ? first + kQuads : quads;
        for (size_t q = first; q < end; q += 2) {
          uint8_t* to = codes + q * kQuadBytes + 4 * lane;
          P::expand(pairs + q / 2 * kQuadBytes, steps, to, to + kQuadBytes);
        }
      }
    }
  }

  // A panel's block of a group, in form int8. Quad by quad what lies `ahead` is fetched meanwhile:
  // the processor's own prefetchers stop at the end of every page.
  struct Block {
    const std::byte* scales;
    const uint8_t* codes;
    size_t quads;
    const std::byte* ahead;
    size_t ahead_bytes;  // a quad
  };

  // sums[t][v] += the integer dot of row t and the weights of vector v. Few rows are summed in
  // several chains, so that an instruction's latency doesn't stop the next.
  template <int T>
  static void accumulate(const Block& block, int half, const int8_t* x, size_t stride,
                         typename P::Int (&sums)[T][P::kVectors]) {
    const uint8_t* codes = block.codes + half * P::kVectors * P::kBytes;
    constexpr int V = P::kVectors;
    constexpr int C = T * V >= P::kChains ? 1 : P::kChains / (T * V);
    typename P::Int chains[C][T][V];
    for (int c = 0; c < C; ++c) {
      for (int t = 0; t < T; ++t) {
        for (int v = 0; v < V; ++v) chains[c][t][v] = c == 0 ? sums[t][v] : P::zero();
      }
    }
    size_t q = 0;
    for (; q + C <= block.quads; q += C) {
      for (int c = 0; c < C; ++c) {
        fetch(block.ahead + (q + c) * block.ahead_bytes);
        step<T>(codes + (q + c) * kQuadBytes, x + 4 * (q + c), stride, chains[c]);
      }
    }
    for (; q < block.quads; ++q) step<T>(codes + q * kQuadBytes, x + 4 * q, stride, chains[0]);
    for (int t = 0; t < T; ++t) {
      for (int v = 0; v < V; ++v) {
        for (int c = 1; c < C; ++c) chains[0][t][v] = P::sum(chains[0][t][v], chains[c][t][v]);
        sums[t][v] = chains[0][t][v];
      }
    }
  }

  static void fetch(const std::byte* quad) {
    __builtin_prefetch(quad);
    __builtin_prefetch(quad + 64);
  }

  template <int T>
  static void step(const uint8_t* codes, const int8_t* x, size_t stride,
                   typename P::Int (&sums)[T][P::kVectors]) {
    typename P::Weights weights[P::kVectors];
    for (int v = 0; v < P::kVectors; ++v) weights[v] = P::weights(codes + v * P::kBytes);
    for (int t = 0; t < T; ++t) {
      const auto four = P::broadcast(x + t * stride);
      for (int v = 0; v < P::kVectors; ++v) P::dot(sums[t][v], weights[v], four);
    }
  }

  // One group of T rows times a panel's block.
  template <int T>
  static void tile(const Block& block, const Int8Rows& in, size_t at_code, size_t at_group,
                   float* acc, bool first) {
    const int8_t* x = in.codes + at_code;
    const size_t stride = in.code_stride;
    constexpr int V = P::kVectors;
    for (int half = 0; half < P::kHalves; ++half) {
      typename P::Int sums[T][V];
      for (int t = 0; t < T; ++t) {
        for (int v = 0; v < V; ++v) sums[t][v] = P::start(in.shifts + at_group + t * in.groups);
      }
      accumulate<T>(block, half, x, stride, sums);
      for (int v = 0; v < V; ++v) {
        const int lane = (half * V + v) * P::kLanes;
        const auto scale = P::scales(block.scales + 2 * lane);
        for (int t = 0; t < T; ++t) {
          float* to = acc + t * kInt8PanelRows + lane;
          const auto factor = P::mul(scale, P::set(in.scales[at_group + t * in.groups]));
          P::store(to, P::fma(P::to_float(sums[t][v]), factor, first ? P::set(0) : P::load(to)));
        }
      }
    }
  }

  template <int T>
  static void rows(size_t count, const Block& block, const Int8Rows& in, size_t at_code,
                   size_t at_group, float* acc, bool first) {
    if constexpr (T > 0) {
      if (count == T) return tile<T>(block, in, at_code, at_group, acc, first);
      rows<T - 1>(count, block, in, at_code, at_group, acc, first);
    }
  }

  // 16 rows times a panel's block, where the path multiplies squares.
  static void square(const Block& block, const Int8Rows& in, size_t at_code, size_t at_group,
                     float* acc, bool first) {
    alignas(64) int32_t sums[P::kSquareRows * kInt8PanelRows];
    P::square(block.codes, block.quads, in.codes + at_code, in.code_stride, sums);
    for (int t = 0; t < P::kSquareRows; ++t) {
      const auto shift = P::start(in.shifts + at_group + t * in.groups);
      const auto x_scale = P::set(in.scales[at_group + t * in.groups]);
      for (size_t lane = 0; lane < kInt8PanelRows; lane += P::kLanes) {
        float* to = acc + t * kInt8PanelRows + lane;
        const auto sum = P::sum(P::load_sums(sums + t * kInt8PanelRows + lane), shift);
        const auto factor = P::mul(P::scales(block.scales + 2 * lane), x_scale);
        P::store(to, P::fma(P::to_float(sum), factor, first ? P::set(0) : P::load(to)));
      }
    }
  }

  static void skip(size_t count, Int8Rows& in, float*& acc) {
    in.codes += count * in.code_stride;
    in.scales += count * in.groups;
    in.shifts += count * in.groups;
    acc += count * kInt8PanelRows;
  }

  // All rows times one block, in tiles of nearly equal size.
  static void group(const Int8Products& p, const Block& block, size_t at_code, size_t at_group,
                    float* acc, bool first) {
    Int8Rows in = p.in;
    size_t left = p.rows;
    if constexpr (P::kSquareRows != 0) {
      while (left >= P::kSquareRows && block.quads % P::kSquareQuads == 0) {
        square(block, in, at_code, at_group, acc, first);
        skip(P::kSquareRows, in, acc);
        left -= P::kSquareRows;
      }
    }
    size_t tiles = (left + P::kTile - 1) / P::kTile;
    for (; left != 0; --tiles) {
      const size_t count = (left + tiles - 1) / tiles;
      rows<P::kTile>(count, block, in, at_code, at_group, acc, first);
      skip(count, in, acc);
      left -= count;
    }
  }

  static void add(float* sum, const float* earlier, size_t n) {  // sum = earlier + sum
    for (size_t i = 0; i < n; i += 16) {
      L::store(sum + i, L::add(L::load(earlier + i), L::load(sum + i)));
    }
  }

  static void products(const Int8Products& p) {
    alignas(64) float acc[kInt8RowsMax * kInt8PanelRows];
    alignas(64) float waiting[3][kInt8RowsMax * kInt8PanelRows];  // of the tree over 8 segments
    alignas(64) uint8_t expanded[kGroupCols / kQuadCols * kQuadBytes];
    const size_t values = p.rows * kInt8PanelRows;
    const size_t cols = p.contraction.cols;
    const std::byte* block = p.panel;
    P::enter();
    size_t at_group = 0;
    size_t at_code = 0;
    for (size_t segment = 0; segment < p.contraction.segments; ++segment) {
      for (size_t begin = 0; begin < cols; begin += kGroupCols, ++at_group) {
        const size_t n = cols - begin < kGroupCols ? cols - begin : kGroupCols;
        const size_t quads = (n + kQuadCols - 1) / kQuadCols;
        const std::byte* codes = block + kBlockScaleBytes;
        const std::byte* next = codes + quads * kQuadBytes;
        Block now{block, reinterpret_cast<const uint8_t*>(codes), quads, next, kQuadBytes};
        if (p.form == PanelForm::int4) {
          next = codes + kBlockStepBytes + (quads + 1) / 2 * kQuadBytes;
          expand(block, quads, expanded);
          now = {block, expanded, quads, next, kQuadBytes / 2};
        }
        group(p, now, at_code + begin, at_group, acc, begin == 0);
        block = next;
      }
      at_code += (cols + 3) / 4 * 4;
      size_t level = 0;
      for (; (segment >> level & 1) != 0; ++level) add(acc, waiting[level], values);
      if (segment + 1 < p.contraction.segments) {
        __builtin_memcpy(waiting[level], acc, values * sizeof(float));
      }
    }
    P::leave();
    for (size_t r = 0; r < p.rows; ++r) {
      const float* from = acc + r * kInt8PanelRows;
      float* to = p.out + r * p.out_stride;
      if (p.out_cols == kInt8PanelRows) {
        L::store(to, L::load(from));
        L::store(to + 16, L::load(from + 16));
      } else {
        __builtin_memcpy(to, from, p.out_cols * sizeof(float));
      }
    }
  }

  static constexpr Int8Kernels table(const char* name) {
    return {name, quantize, quantize_weights, quantize_int4, products};
  }
};

}  // namespace baton::kernels
