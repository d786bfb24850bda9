#include "model/kernels/canonical/body.h"
#include "model/kernels/canonical/lanes_avx2.h"
#include "model/kernels/int8/body.h"
#include "model/kernels/int8/dots_avx2.h"
#include "model/kernels/tiles/body.h"

namespace baton::kernels {
namespace {

constexpr TileKernels kTiles = TileBody<Avx2Lanes>::table();
constexpr Int8Kernels kInt8 = Int8Body<Avx2Lanes, Avx2Dots>::table("avx2");

}  // namespace

extern const Kernels kAvx2Kernels;
constexpr Kernels kAvx2Kernels = Body<Avx2Lanes>::table(Isa::avx2, &kTiles, &kInt8);

}  // namespace baton::kernels
