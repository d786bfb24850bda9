// How FastAttention cuts positions and lanes. The block and the span decide the order of sums, so
// they are part of the numeric mode; the rest decides only what is in memory at a time.
//
// Thread safety: constants.
#pragma once

#include "kvcache/pool_memory.h"
#include "model/kernels/int8/int8.h"
#include "model/kernels/tiles/tiles.h"

namespace baton::layers {

inline constexpr size_t kBlock = kPageTokens;  // positions of one running softmax step
static_assert(kernels::kKeyCols % kernels::kInt8PanelRows == 0);
static_assert(kernels::kValueCols % kernels::kInt8PanelRows == 0);
static_assert(kBlock == kernels::kTilePositions);
inline constexpr size_t kSpan = 2 * kBlock;  // positions that are merged with others, in order

inline constexpr size_t kLanes = kernels::kTileLanes;       // of a tile
inline constexpr size_t kGroupTiles = kernels::kTileGroup;  // that share a loaded block
inline constexpr size_t kGroupLanes = kGroupTiles * kLanes;
inline constexpr size_t kDecodeGroup = 64;  // rows of the decode form at a time
inline constexpr size_t kWaveSpans = 16;    // spans at a time

// Where a column of a block's keys or values begins, in panels of `width` columns.
inline size_t column(size_t c, size_t width) { return c / width * width * kBlock + c % width; }

inline size_t padded(size_t cols, size_t width) { return (cols + width - 1) / width * width; }

// Tiles are computed 16 or 32 lanes wide.
inline size_t padded_lanes(size_t lanes) { return lanes <= 16 ? 16 : kLanes; }

}  // namespace baton::layers
