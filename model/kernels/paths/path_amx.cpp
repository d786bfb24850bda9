#include "model/kernels/canonical/body.h"
#include "model/kernels/canonical/lanes_avx512.h"
#include "model/kernels/int8/body.h"
#include "model/kernels/int8/dots_amx.h"
#include "model/kernels/tiles/body.h"

namespace baton::kernels {
namespace {

constexpr TileKernels kTiles = TileBody<Avx512Lanes>::table();
constexpr Int8Kernels kInt8 = Int8Body<Avx512Lanes, AmxDots>::table("amx");

}  // namespace

extern const Kernels kAmxKernels;
constexpr Kernels kAmxKernels = Body<Avx512Lanes>::table(Isa::amx, &kTiles, &kInt8);

}  // namespace baton::kernels
