#include "tests/kernels/slow_twins.h"

namespace baton::kernels::testing {

std::vector<const Kernels*> paths() {
  std::vector<const Kernels*> all;
  for (unsigned isa = 0; isa < kIsas; ++isa) {
    if (const auto* kernels = kernels_for(static_cast<Isa>(isa))) all.push_back(kernels);
  }
  return all;
}

}  // namespace baton::kernels::testing
