#include "model/layers/mlp/mlp.h"

#include "model/layers/mlp/exact_mlp.h"
#include "model/layers/mlp/fast_mlp.h"

namespace baton::layers {

std::unique_ptr<Mlp> make_mlp(const checkpoint::NumericMode& mode, kernels::Team& team,
                              const MlpLimits& limits) {
  if (mode.packed()) return std::make_unique<FastMlp>(team, limits);
  return std::make_unique<ExactMlp>(team, limits.values);
}

}  // namespace baton::layers
