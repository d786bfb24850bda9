#include <immintrin.h>

#include <cstdint>

#include "bench/peaks/peak_kernels.h"

namespace baton::bench {
namespace {

constexpr size_t kSums = 6;  // tiles 0 to 5; 6 and 7 are the operands

struct alignas(64) Shapes {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
constexpr Shapes kShapes;

// A tile's product is 16 x 16 sums of 4 products each, over 16 quads.
void int8(size_t rounds) {
  _tile_loadconfig(&kShapes);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_zero(4);
  _tile_zero(5);
  _tile_zero(6);
  _tile_zero(7);
  for (size_t r = 0; r < rounds; ++r) {
    _tile_dpbsud(0, 6, 7);
    _tile_dpbsud(1, 6, 7);
    _tile_dpbsud(2, 6, 7);
    _tile_dpbsud(3, 6, 7);
    _tile_dpbsud(4, 6, 7);
    _tile_dpbsud(5, 6, 7);
  }
  _tile_release();
}

}  // namespace

extern const PeakKernels kVnniPeaks;
PeakKernels amx_peaks();
PeakKernels amx_peaks() {
  PeakKernels peaks = kVnniPeaks;
  peaks.int8 = int8;
  peaks.int8_ops = kSums * 16 * 16 * 64 * 2;
  return peaks;
}

}  // namespace baton::bench
