// Integer products with AMX: 16 rows times 32 weight rows at a time, the rest as with VNNI.
//
// tdpbsud multiplies the signed codes by the biased weights and adds four neighbours in 32 bits, as
// vpdpbusd does. Tiles: 0 and 1 the sums of 16 weight rows each, 2 the codes of 16 rows [16, 64],
// 3 and 4 the weights of 16 quads [16, 16 * 4]. Thread safety: values; the tiles are the thread's,
// between enter() and leave().
#pragma once

#include "model/kernels/int8/dots_avx512.h"

namespace baton::kernels {
namespace {

struct AmxDots : VnniDots {
  static constexpr int kSquareRows = 16;
  static constexpr int kSquareQuads = 16;  // what a step takes: its contraction is a multiple

  static void enter() {
    // Constant, because what loads it doesn't tell the compiler that it reads all of it.
    struct alignas(64) Shapes {
      uint8_t palette = 1;
      uint8_t start_row = 0;
      uint8_t reserved[14] = {};
      uint16_t row_bytes[16] = {64, 64, 64, 64, 64};
      uint8_t rows[16] = {16, 16, 16, 16, 16};
    };
    static constexpr Shapes kShapes;
    _tile_loadconfig(&kShapes);
  }
  static void leave() { _tile_release(); }

  // out: [16][32], the sums without shifts.
  static void square(const uint8_t* codes, size_t quads, const int8_t* x, size_t stride,
                     int32_t* out) {
    _tile_zero(0);
    _tile_zero(1);
    for (size_t q = 0; q < quads; q += kSquareQuads) {
      _tile_loadd(2, x + 4 * q, stride);
      _tile_loadd(3, codes + q * 128, 128);
      _tile_loadd(4, codes + q * 128 + 64, 128);
      _tile_dpbsud(0, 2, 3);
      _tile_dpbsud(1, 2, 4);
    }
    _tile_stored(0, out, 128);
    _tile_stored(1, out + 16, 128);
  }
};

}  // namespace
}  // namespace baton::kernels
