#include "model/layers/rope.h"

#include <algorithm>
#include <cmath>

#include "model/kernels/scalar_math.h"

namespace baton::layers {
namespace {

constexpr double kTwoPi = 6.283185307179586;

// The pair whose wave turns `turns` times over the original context.
double correction_dim(const checkpoint::ModelConfig& config, double turns) {
  const double length = static_cast<double>(config.yarn->original_max_position_embeddings);
  return static_cast<double>(config.qk_rope_head_dim) *
         kernels::natural_log(length / (kTwoPi * turns)) /
         (2 * kernels::natural_log(config.rope_theta));
}

}  // namespace

Rope::Rope(const checkpoint::ModelConfig& config) {
  const size_t dim = config.qk_rope_head_dim;
  for (size_t i = 0; i < dim / 2; ++i) {
    const double exponent = -2.0 * static_cast<double>(i) / static_cast<double>(dim);
    inverse_frequencies_.push_back(kernels::power(config.rope_theta, exponent));
  }
  if (!config.yarn) return;
  const auto& yarn = *config.yarn;
  const double low = std::max(std::floor(correction_dim(config, yarn.beta_fast)), 0.0);
  const double high =
      std::min(std::ceil(correction_dim(config, yarn.beta_slow)), static_cast<double>(dim) - 1);
  const double width = high == low ? 0.001 : high - low;
  for (size_t i = 0; i < dim / 2; ++i) {
    const double ramp = std::clamp((static_cast<double>(i) - low) / width, 0.0, 1.0);
    inverse_frequencies_[i] *= (1 - ramp) + ramp / yarn.factor;
  }
  magnitude_ = checkpoint::yarn_mscale(yarn.factor, yarn.mscale) /
               checkpoint::yarn_mscale(yarn.factor, yarn.mscale_all_dim);
}

void Rope::angles(Position position, std::span<float> cos, std::span<float> sin) const {
  for (size_t i = 0; i < inverse_frequencies_.size(); ++i) {
    const auto turned = kernels::sin_cos(position * inverse_frequencies_[i]);
    cos[i] = static_cast<float>(turned.cos * magnitude_);
    sin[i] = static_cast<float>(turned.sin * magnitude_);
  }
}

void rotate(std::span<const float> cos, std::span<const float> sin, float* x) {
  for (size_t i = 0; i < cos.size(); ++i) {
    const float a = x[2 * i];
    const float b = x[2 * i + 1];
    x[2 * i] = a * cos[i] - b * sin[i];
    x[2 * i + 1] = a * sin[i] + b * cos[i];
  }
}

}  // namespace baton::layers
