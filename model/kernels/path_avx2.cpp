#include "model/kernels/body.h"
#include "model/kernels/lanes_avx2.h"

namespace baton::kernels {

extern const Kernels kAvx2Kernels;
constexpr Kernels kAvx2Kernels = Body<Avx2Lanes>::table(Isa::avx2);

}  // namespace baton::kernels
