#include "model/kernels/canonical/body.h"
#include "model/kernels/canonical/lanes_portable.h"
#include "model/kernels/int8/body.h"
#include "model/kernels/int8/dots_portable.h"
#include "model/kernels/tiles/body.h"

namespace baton::kernels {
namespace {

constexpr TileKernels kTiles = TileBody<PortableLanes>::table();
constexpr Int8Kernels kInt8 = Int8Body<PortableLanes, PortableDots>::table("portable");

}  // namespace

extern const Kernels kPortableKernels;
constexpr Kernels kPortableKernels = Body<PortableLanes>::table(Isa::portable, &kTiles, &kInt8);

}  // namespace baton::kernels
