#include "model/kernels/body.h"
#include "model/kernels/lanes_portable.h"

namespace baton::kernels {

extern const Kernels kPortableKernels;
constexpr Kernels kPortableKernels = Body<PortableLanes>::table(Isa::portable);

}  // namespace baton::kernels
