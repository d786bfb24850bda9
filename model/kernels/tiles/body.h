// TileBody: products, softmax and turns of tiles of lanes, written once over 16 lanes.
//
// L is the path's register type (canonical/lanes_*.h). Compiled with the path's own flags: include
// nothing here that has inline functions. Thread safety: pure functions.
#pragma once

#include "model/kernels/canonical/body.h"
#include "model/kernels/tiles/tiles.h"

namespace baton::kernels {

template <class L>
struct TileBody {
  static constexpr size_t kStride = kTileLanes;

  // M rows times N registers of lanes. kDown: a's rows are next to each other, else its steps are.
  template <int M, int N, bool kDown>
  static void block(const TileProduct& p, size_t m0) {
    L acc[M][N];
    float* out = p.out + m0 * kStride;
    for (int m = 0; m < M; ++m) {
      for (int n = 0; n < N; ++n) {
        acc[m][n] = p.scale == nullptr
                        ? L::set(0)
                        : L::mul(L::load(out + m * kStride + 16 * n), L::load(p.scale + 16 * n));
      }
    }
    const float* a = p.a + m0 * (kDown ? 1 : p.a_row);
    const float* b = p.b;
    for (size_t k = 0; k < p.depth; ++k) {
      if constexpr (N == 1) {  // what is fewer, rows or lanes, is kept in registers
        const L lanes = L::load(b);
        for (int m = 0; m < M; ++m) {
          acc[m][0] = L::fma(L::set(kDown ? a[m] : a[m * p.a_row]), lanes, acc[m][0]);
        }
      } else {
        L value[M];
        for (int m = 0; m < M; ++m) value[m] = L::set(kDown ? a[m] : a[m * p.a_row]);
        for (int n = 0; n < N; ++n) {
          const L lanes = L::load(b + 16 * n);
          for (int m = 0; m < M; ++m) acc[m][n] = L::fma(value[m], lanes, acc[m][n]);
        }
      }
      a += kDown ? p.a_step : 1;
      b += kStride;
    }
    for (int m = 0; m < M; ++m) {
      for (int n = 0; n < N; ++n) L::store(out + m * kStride + 16 * n, acc[m][n]);
    }
  }

  template <int M, int N, bool kDown>
  static void rest(const TileProduct& p, size_t m0) {
    if constexpr (M > 0) {
      if (p.rows - m0 == M) return block<M, N, kDown>(p, m0);
      rest<M - 1, N, kDown>(p, m0);
    }
  }

  template <int M, int N, bool kDown>
  static void all_rows(const TileProduct& p) {
    size_t m = 0;
    for (; m + M <= p.rows; m += M) block<M, N, kDown>(p, m);
    rest<M - 1, N, kDown>(p, m);
  }

  static void product(const TileProduct& p) {
    const bool down = p.a_row == 1;
    if (p.lanes == kStride) {
      down ? all_rows<L::kTileRows2, 2, true>(p) : all_rows<L::kTileRows2, 2, false>(p);
    } else {
      down ? all_rows<L::kTileRows1, 1, true>(p) : all_rows<L::kTileRows1, 1, false>(p);
    }
  }

  static void softmax(const TileSoftmax& s) {
    for (size_t lane = 0; lane < s.lanes; lane += 16) {
      float* scores = s.scores + lane;
      const L before = L::load(s.max + lane);
      L most = before;
      if (s.visible != nullptr) {
        const L visible = L::load(s.visible + lane);
        const L hidden = L::set(-__builtin_inff());
        for (size_t t = 0; t < s.count; ++t) {
          const L at = L::set(static_cast<float>(t));
          const L score = L::where_below(at, visible, L::load(scores + t * kStride), hidden);
          L::store(scores + t * kStride, score);
          most = L::max(score, most);
        }
      } else {
        for (size_t t = 0; t < s.count; ++t) most = L::max(L::load(scores + t * kStride), most);
      }
      L total = L::set(0);
      for (size_t t = 0; t < s.count; ++t) {
        const L p = Body<L>::exp(L::sub(L::load(scores + t * kStride), most));
        total = L::add(total, p);
        L::store(scores + t * kStride, p);
      }
      const L correction = Body<L>::exp(L::sub(before, most));
      L::store(s.max + lane, most);
      L::store(s.sum + lane, L::fma(L::load(s.sum + lane), correction, total));
      L::store(s.correction + lane, correction);
    }
  }

  static void merge(const TileMerge& t) {
    for (size_t lane = 0; lane < t.lanes; lane += 16) {
      const L ours = L::load(t.max + lane);
      const L theirs = L::load(t.part_max + lane);
      const L most = L::max(theirs, ours);
      const L c = Body<L>::exp(L::sub(ours, most));
      const L d = Body<L>::exp(L::sub(theirs, most));
      L::store(t.max + lane, most);
      L::store(t.sum + lane,
               L::fma(L::load(t.part_sum + lane), d, L::mul(L::load(t.sum + lane), c)));
      for (size_t at = lane; at < t.rows * kStride; at += kStride) {
        L::store(t.out + at, L::fma(L::load(t.part + at), d, L::mul(L::load(t.out + at), c)));
      }
    }
  }

  static void to_lanes(const float* in, size_t stride, size_t rows, size_t cols, float factor,
                       float* out) {
    const L by = L::set(factor);
    for (size_t c = 0; c < cols; c += 16) {
      const size_t width = cols - c < 16 ? cols - c : 16;
      for (size_t lane = 0; lane < kStride; lane += 16) {
        L square[16];
        for (size_t i = 0; i < 16; ++i) {
          square[i] = lane + i >= rows ? L::set(0)
                      : width == 16    ? L::load(in + (lane + i) * stride + c)
                                       : L::load_first(in + (lane + i) * stride + c, width);
        }
        L::transpose(square);
        for (size_t i = 0; i < width; ++i) {
          L::store(out + (c + i) * kStride + lane, L::mul(square[i], by));
        }
      }
    }
  }

  static void from_lanes(const float* in, size_t rows, size_t cols, const float* scale, float* out,
                         size_t stride) {
    for (size_t lane = 0; lane < rows; lane += 16) {
      const size_t count = rows - lane < 16 ? rows - lane : 16;
      const L by = L::load(scale + lane);
      for (size_t c = 0; c < cols; c += 16) {
        const size_t width = cols - c < 16 ? cols - c : 16;
        L square[16];
        for (size_t i = 0; i < 16; ++i) {
          square[i] = i < width ? L::mul(L::load(in + (c + i) * kStride + lane), by) : L::set(0);
        }
        L::transpose(square);
        for (size_t i = 0; i < count; ++i) {
          L::store_first(out + (lane + i) * stride + c, square[i], width);
        }
      }
    }
  }

  static void to_bf16(const float* x, size_t n, uint8_t* out) {
    size_t i = 0;
    for (; i + 16 <= n; i += 16) L::store_bf16(out + 2 * i, L::load(x + i));
    if (i < n) {
      uint8_t all[32];
      L::store_bf16(all, L::load_first(x + i, n - i));
      __builtin_memcpy(out + 2 * i, all, 2 * (n - i));
    }
  }

  static constexpr TileKernels table() {
    return {product, softmax, merge, to_lanes, from_lanes, to_bf16};
  }
};

}  // namespace baton::kernels
