// ExactMlp: an Mlp over stored weights, in float32 and the canonical order.
//
// Thread safety: see Mlp.
#pragma once

#include "model/layers/mlp/mlp.h"

namespace baton::layers {

class ExactMlp final : public Mlp {
 public:
  // `values_max`: the largest rows * width of a call, over all its jobs.
  ExactMlp(kernels::Team& team, size_t values_max);

  void run(std::span<const MlpJob> jobs, float* out) override;

 private:
  void run_up(const MlpJob& job, size_t stride, size_t begin, unsigned thread);

  kernels::Team& team_;
  std::vector<float> gate_;  // [rows, widest width], then the activations
  std::vector<float> up_;    // [rows, widest width]
};

}  // namespace baton::layers
