#include "model/kernels/canonical/body.h"
#include "model/kernels/canonical/lanes_avx512.h"
#include "model/kernels/int8/body.h"
#include "model/kernels/int8/dots_avx512.h"
#include "model/kernels/tiles/body.h"

namespace baton::kernels {
namespace {

constexpr TileKernels kTiles = TileBody<Avx512Lanes>::table();
constexpr Int8Kernels kInt8 = Int8Body<Avx512Lanes, Avx512Dots>::table("avx512bw");

}  // namespace

extern const Kernels kAvx512Kernels;
constexpr Kernels kAvx512Kernels = Body<Avx512Lanes>::table(Isa::avx512, &kTiles, &kInt8);

}  // namespace baton::kernels
