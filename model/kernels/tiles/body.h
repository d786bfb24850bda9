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
  static constexpr float kScaledLeast = 1e-30f;  // a group below it is zero
  // Scores of M positions and 16 lanes, over all columns, from 0 or from the scores so far.
  // `panel`: from a panel of keys to the next.
  template <int M>
  static void score_rows(const float* keys, size_t panel, size_t cols, const float* queries,
                         size_t lanes, bool anew, float* scores) {
    L acc[M];
    for (int m = 0; m < M; ++m) acc[m] = anew ? L::set(0) : L::load(scores + m * lanes);
    for (size_t first = 0; first < cols; first += kKeyCols, keys += panel) {
      const size_t n = cols - first < kKeyCols ? cols - first : kKeyCols;
      for (size_t k = 0; k < n; ++k, queries += lanes) {
        const L query = L::load(queries);
        for (int m = 0; m < M; ++m) acc[m] = L::fma(L::set(keys[m * kKeyCols + k]), query, acc[m]);
      }
    }
    for (int m = 0; m < M; ++m) L::store(scores + m * lanes, acc[m]);
  }

  // M columns of a panel, for 16 lanes, over the positions.
  template <int M>
  static void value_cols(const float* values, size_t count, const float* weights, size_t lanes,
                         L scale, float* out) {
    L acc[M];
    for (int m = 0; m < M; ++m) acc[m] = L::mul(L::load(out + m * lanes), scale);
    for (size_t t = 0; t < count; ++t, values += kValueCols, weights += lanes) {
      const L weight = L::load(weights);
      for (int m = 0; m < M; ++m) acc[m] = L::fma(L::set(values[m]), weight, acc[m]);
    }
    for (int m = 0; m < M; ++m) L::store(out + m * lanes, acc[m]);
  }

  template <int M, class F>
  static void rest(size_t left, F&& f) {
    if constexpr (M > 0) left == M ? f.template operator()<M>() : rest<M - 1>(left, f);
  }

  // f<M>(m) for all of `count` in steps of kTileRows, and what is left.
  template <class F>
  static void in_rows(size_t count, F&& f) {
    size_t m = 0;
    for (; m + L::kTileRows <= count; m += L::kTileRows) f.template operator()<L::kTileRows>(m);
    rest<L::kTileRows - 1>(count - m, [&]<int M>() { f.template operator()<M>(m); });
  }

  // Scores of positions [0, count) of panels that hold `rows` positions each.
  static void score_panels(const float* keys, size_t rows, size_t count, size_t cols,
                           const float* queries, size_t lanes, bool anew, float* scores) {
    for (size_t lane = 0; lane < lanes; lane += 16) {
      in_rows(count, [&]<int M>(size_t m) {
        score_rows<M>(keys + m * kKeyCols, rows * kKeyCols, cols, queries + lane, lanes, anew,
                      scores + m * lanes + lane);
      });
    }
  }

  static void value_panel(const float* values, size_t count, size_t cols, const float* weights,
                          size_t lanes, const float* scale, float* out) {
    for (size_t lane = 0; lane < lanes; lane += 16) {
      const L by = L::load(scale + lane);
      in_rows(cols, [&]<int M>(size_t m) {
        value_cols<M>(values + m, count, weights + lane, lanes, by, out + m * lanes + lane);
      });
    }
  }

  static void scores(const TileScores& s) {
    score_panels(s.keys.data, kTilePositions, s.keys.count, s.keys.cols, s.queries, s.lanes, true,
                 s.scores);
  }

  static void values(const TileValues& v) {
    for (size_t first = 0; first < v.values.cols; first += kValueCols) {
      const size_t n = v.values.cols - first < kValueCols ? v.values.cols - first : kValueCols;
      value_panel(v.values.data + first * kTilePositions, v.values.count, n, v.weights, v.lanes,
                  v.scale, v.out + first * v.lanes);
    }
  }

  static size_t code_bytes(size_t codes) {  // with their scales
    return codes + (codes + kCodeGroup - 1) / kCodeGroup * sizeof(float);
  }
  static size_t entry_bytes(const CachedEntries& e) {
    return code_bytes(e.codes) + 2 * (e.width - e.codes);
  }

  // Columns [first, first + n) of a position's entry as float32.
  static void widen_some(const CachedEntries& e, size_t t, size_t first, size_t n, float* out) {
    const uint8_t* entry = e.data + t * entry_bytes(e);
    const size_t end = first + n;
    while (first < e.codes && first < end) {
      const size_t group = first / kCodeGroup;
      size_t stop = (group + 1) * kCodeGroup;
      if (stop > e.codes) stop = e.codes;
      if (stop > end) stop = end;
      float scale = 0;
      __builtin_memcpy(&scale, entry + e.codes + group * sizeof(float), sizeof(float));
      Body<L>::unpack_scaled(entry + first, scale, stop - first, out);
      out += stop - first;
      first = stop;
    }
    if (first == end) return;
    const uint8_t* values = entry + code_bytes(e.codes) + 2 * (first - e.codes);
    Body<L>::unpack_halves(values, end - first, out,
                           [](const uint8_t* p) { return L::from_bf16(p); });
  }

  static void widen(const CachedEntries& e, float* out) {
    for (size_t t = 0; t < e.count; ++t) widen_some(e, t, 0, e.width, out + t * e.width);
  }

  static void fetch(const uint8_t* from, size_t bytes) {  // into the second-level cache
    for (size_t at = 0; at < bytes; at += 64) __builtin_prefetch(from + at, 0, 2);
  }

  // Columns are taken some at a time, so that the queries' part and what is widened of the entries
  // stay in the first-level cache for all positions.
  static void entry_scores(const EntryScores& s) {
    constexpr size_t kRows = 16;
    alignas(64) float wide[kRows * kKeyCols];
    const TileEntries& group = s.entries;
    const CachedEntries& e = group.block;
    const size_t bytes = entry_bytes(e);
    for (size_t first = 0; first < e.width; first += kKeyCols) {
      const size_t n = e.width - first < kKeyCols ? e.width - first : kKeyCols;
      for (size_t t = 0; t < e.count; t += kRows) {
        const size_t rows = e.count - t < kRows ? e.count - t : kRows;
        for (size_t r = 0; r < rows; ++r) {
          widen_some(e, t + r, first, n, wide + r * kKeyCols);
          if (group.next != nullptr) {
            fetch(group.next + (t + r) * bytes + first * bytes / e.width, n * bytes / e.width);
          }
        }
        for (size_t tile = 0; tile < group.tiles; ++tile) {
          if (group.seen[tile] <= t) continue;
          const size_t lanes = group.lanes[tile];
          score_panels(wide, kRows, rows, n,
                       s.queries + tile * e.width * kTileLanes + first * lanes, lanes, first == 0,
                       s.scores + tile * kTilePositions * kTileLanes + t * lanes);
        }
      }
    }
  }

  static void entry_values(const EntryValues& v) {
    alignas(64) float wide[kTilePositions * kValueCols];
    const TileEntries& group = v.entries;
    const CachedEntries& e = group.block;
    for (size_t first = 0; first < v.cols; first += kValueCols) {
      const size_t n = v.cols - first < kValueCols ? v.cols - first : kValueCols;
      for (size_t t = 0; t < e.count; ++t) widen_some(e, t, first, n, wide + t * kValueCols);
      for (size_t tile = 0; tile < group.tiles; ++tile) {
        if (group.seen[tile] == 0) continue;
        const size_t lanes = group.lanes[tile];
        value_panel(wide, group.seen[tile], n, v.weights + tile * kTilePositions * kTileLanes,
                    lanes, v.scale + tile * kTileLanes,
                    v.out + tile * v.cols * kTileLanes + first * lanes);
      }
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
          const L score = L::where_below(at, visible, L::load(scores + t * s.lanes), hidden);
          L::store(scores + t * s.lanes, score);
          most = L::max(score, most);
        }
      } else {
        for (size_t t = 0; t < s.count; ++t) most = L::max(L::load(scores + t * s.lanes), most);
      }
      L total = L::set(0);
      for (size_t t = 0; t < s.count; ++t) {
        const L p = Body<L>::exp(L::sub(L::load(scores + t * s.lanes), most));
        total = L::add(total, p);
        L::store(scores + t * s.lanes, p);
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
      for (size_t at = lane; at < t.rows * t.lanes; at += t.lanes) {
        L::store(t.out + at, L::fma(L::load(t.part + at), d, L::mul(L::load(t.out + at), c)));
      }
    }
  }

  static size_t width_of(size_t rows) { return rows <= 16 ? 16 : kTileLanes; }

  static void to_lanes(const float* in, size_t stride, size_t rows, size_t cols, float factor,
                       float* out) {
    const L by = L::set(factor);
    const size_t lanes = width_of(rows);
    for (size_t c = 0; c < cols; c += 16) {
      const size_t width = cols - c < 16 ? cols - c : 16;
      for (size_t lane = 0; lane < lanes; lane += 16) {
        L square[16];
        for (size_t i = 0; i < 16; ++i) {
          square[i] = lane + i >= rows ? L::set(0)
                      : width == 16    ? L::load(in + (lane + i) * stride + c)
                                       : L::load_first(in + (lane + i) * stride + c, width);
        }
        L::transpose(square);
        for (size_t i = 0; i < width; ++i) {
          L::store(out + (c + i) * lanes + lane, L::mul(square[i], by));
        }
      }
    }
  }

  static void from_lanes(const float* in, size_t rows, size_t cols, const float* scale, float* out,
                         size_t stride) {
    const size_t lanes = width_of(rows);
    for (size_t lane = 0; lane < rows; lane += 16) {
      const size_t count = rows - lane < 16 ? rows - lane : 16;
      const L by = L::load(scale + lane);
      for (size_t c = 0; c < cols; c += 16) {
        const size_t width = cols - c < 16 ? cols - c : 16;
        L square[16];
        for (size_t i = 0; i < 16; ++i) {
          square[i] = i < width ? L::mul(L::load(in + (c + i) * lanes + lane), by) : L::set(0);
        }
        L::transpose(square);
        for (size_t i = 0; i < count; ++i) {
          L::store_first(out + (lane + i) * stride + c, square[i], width);
        }
      }
    }
  }

  static void store_bf16(const float* x, size_t n, uint8_t* out) {
    size_t i = 0;
    for (; i + 16 <= n; i += 16) L::store_bf16(out + 2 * i, L::load(x + i));
    if (i < n) {
      uint8_t all[32];
      L::store_bf16(all, L::load_first(x + i, n - i));
      __builtin_memcpy(out + 2 * i, all, 2 * (n - i));
    }
  }

  static float largest(const float* x, size_t n) {
    L most = L::set(0);
    for (size_t i = 0; i < n; i += 16) {
      most = L::max(L::abs(n - i < 16 ? L::load_first(x + i, n - i) : L::load(x + i)), most);
    }
    return L::max_lane(most);
  }

  static void store_codes(const float* x, size_t n, uint8_t* codes, uint8_t* scale) {
    const float most = largest(x, n);
    const float by = most >= kScaledLeast ? most / 448 : 0;
    __builtin_memcpy(scale, &by, sizeof(float));
    const L inverse = L::set(by == 0 ? 0 : 448 / most);
    const L limit = L::set(448);
    for (size_t i = 0; i < n; i += 16) {
      const size_t count = n - i < 16 ? n - i : 16;
      const L scaled = L::mul(L::load_first(x + i, count), inverse);
      uint8_t all[16];
      L::store_e4m3(all, L::max(L::min(scaled, limit), L::set(-448)));
      __builtin_memcpy(codes + i, all, count);
    }
  }

  static void store_entry(const float* x, size_t width, size_t codes, uint8_t* out) {
    for (size_t i = 0; i < codes; i += kCodeGroup) {
      store_codes(x + i, codes - i < kCodeGroup ? codes - i : kCodeGroup, out + i,
                  out + codes + i / kCodeGroup * sizeof(float));
    }
    store_bf16(x + codes, width - codes, out + code_bytes(codes));
  }

  static constexpr TileKernels table() {
    return {scores, values,   entry_scores, entry_values, softmax,
            merge,  to_lanes, from_lanes,   store_entry,  widen};
  }
};

}  // namespace baton::kernels
