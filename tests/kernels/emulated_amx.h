// The tile intrinsics that the AMX path uses, in plain C++, for machines without tiles.
//
// As Intel's manual defines them for the shapes that the path configures: tiles of 16 rows of 64
// bytes. Thread safety: the tiles are the thread's.
#pragma once

#include <cstdint>
#include <cstring>

namespace baton::kernels {
namespace {

struct EmulatedTiles {
  uint8_t bytes[8][16][64];
  bool configured;
};
thread_local EmulatedTiles tiles;

inline void _tile_loadconfig(const void* shapes) {
  const auto* raw = static_cast<const uint8_t*>(shapes);
  tiles.configured = raw[0] == 1;
  for (int t = 0; t < 5; ++t) {
    tiles.configured = tiles.configured && raw[16 + 2 * t] == 64 && raw[48 + t] == 16;
  }
}
inline void _tile_release() { tiles.configured = false; }
inline void _tile_zero(int tile) {
  if (!tiles.configured) __builtin_trap();
  std::memset(tiles.bytes[tile], 0, sizeof tiles.bytes[tile]);
}
inline void _tile_loadd(int tile, const void* base, size_t stride) {
  for (int r = 0; r < 16; ++r) {
    std::memcpy(tiles.bytes[tile][r], static_cast<const uint8_t*>(base) + r * stride, 64);
  }
}
inline void _tile_stored(int tile, void* base, size_t stride) {
  for (int r = 0; r < 16; ++r) {
    std::memcpy(static_cast<uint8_t*>(base) + r * stride, tiles.bytes[tile][r], 64);
  }
}
// sums[m][n] += signed a[m][4k..] times unsigned b[k][4n..].
inline void _tile_dpbsud(int sums, int a, int b) {
  for (int m = 0; m < 16; ++m) {
    for (int n = 0; n < 16; ++n) {
      int32_t sum = 0;
      std::memcpy(&sum, tiles.bytes[sums][m] + 4 * n, 4);
      for (int k = 0; k < 16; ++k) {
        for (int i = 0; i < 4; ++i) {
          sum += static_cast<int8_t>(tiles.bytes[a][m][4 * k + i]) * tiles.bytes[b][k][4 * n + i];
        }
      }
      std::memcpy(tiles.bytes[sums][m] + 4 * n, &sum, 4);
    }
  }
}

}  // namespace
}  // namespace baton::kernels
