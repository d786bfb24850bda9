// Rope: rotary position embedding with YaRN (Peng et al. 2023), as DeepSeek applies it.
//
// Neighbouring pairs (2i, 2i+1) are rotated by position * inv_freq[i]. Angles are computed in
// double by Baton's own functions, once a row and step, so that no table bounds the context and
// every processor gets the same bits. Thread safety: immutable.
#pragma once

#include <span>
#include <vector>

#include "base/token.h"
#include "model/checkpoint/config.h"

namespace baton::layers {

class Rope {
 public:
  explicit Rope(const checkpoint::ModelConfig& config);

  size_t pairs() const { return inverse_frequencies_.size(); }
  std::span<const double> inverse_frequencies() const { return inverse_frequencies_; }

  // cos and sin of each pair's angle, times YaRN's magnitude. Both [pairs].
  void angles(Position position, std::span<float> cos, std::span<float> sin) const;

 private:
  std::vector<double> inverse_frequencies_;
  double magnitude_ = 1;
};

// (a, b) -> (a cos - b sin, a sin + b cos), in place. x: [2 * pairs].
void rotate(std::span<const float> cos, std::span<const float> sin, float* x);

}  // namespace baton::layers
