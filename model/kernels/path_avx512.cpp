#include "model/kernels/body.h"
#include "model/kernels/lanes_avx512.h"

namespace baton::kernels {

extern const Kernels kAvx512Kernels;
constexpr Kernels kAvx512Kernels = Body<Avx512Lanes>::table(Isa::avx512);

}  // namespace baton::kernels
