// Router: which experts a token goes to, and with what weight (DeepSeek-V3 report, 2.1.2).
//
// All in float32 and the canonical order. noaux_tc: sigmoid scores, chosen by score + bias within
// the best groups (a group's worth is the sum of its two best). greedy: softmax scores, the best
// ones. group_limited_greedy: softmax scores within the best groups (worth: the best of a group).
// Ties go to the lower id. Thread safety: immutable; scratch is the caller's.
#pragma once

#include <span>

#include "model/checkpoint/config.h"
#include "model/kernels/kernels.h"

namespace baton::layers {

class Router {
 public:
  explicit Router(const checkpoint::ModelConfig& config);

  size_t chosen() const { return chosen_; }
  size_t scratch_floats() const { return experts_ + groups_; }

  // logits: [experts], replaced by the scores. bias: [experts] or empty. scratch:
  // [scratch_floats()]. Results [chosen()], in the order of the experts' ids; a weight is the score
  // without bias, divided by the chosen ones' sum if so configured, times the scaling factor.
  void choose(const kernels::Kernels& kernels, std::span<float> logits, std::span<const float> bias,
              std::span<float> scratch, std::span<uint32_t> experts,
              std::span<float> weights) const;

 private:
  void drop_groups(std::span<float> choices, std::span<float> worths) const;

  size_t experts_;
  size_t chosen_;
  size_t groups_;
  size_t kept_groups_;
  bool sigmoid_;
  bool pairs_;  // a group's worth is the sum of its two best choices
  bool normalise_;
  float factor_;
};

}  // namespace baton::layers
