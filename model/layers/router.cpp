#include "model/layers/router.h"

#include <algorithm>
#include <limits>

#include "base/result.h"

namespace baton::layers {
namespace {

constexpr float kDropped = -std::numeric_limits<float>::infinity();

// The largest value that is not dropped, the first one of equals.
size_t best(std::span<const float> values) {
  size_t found = values.size();
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i] == kDropped) continue;
    if (found == values.size() || values[i] > values[found]) found = i;
  }
  check(found < values.size(), "the router finds enough experts with finite scores");
  return found;
}

float worth_of(std::span<const float> group, bool pairs) {
  float first = kDropped;
  float second = kDropped;
  for (const float value : group) {
    if (value > first) {
      second = first;
      first = value;
    } else if (value > second) {
      second = value;
    }
  }
  return pairs && group.size() > 1 ? first + second : first;
}

}  // namespace

Router::Router(const checkpoint::ModelConfig& config)
    : experts_(config.num_routed_experts),
      chosen_(config.experts_per_token),
      groups_(config.topk_method == checkpoint::TopkMethod::greedy ? 1 : config.num_groups),
      kept_groups_(std::min(config.topk_groups, groups_)),
      sigmoid_(config.scoring == checkpoint::Scoring::sigmoid),
      pairs_(config.topk_method == checkpoint::TopkMethod::noaux_tc),
      normalise_(config.norm_topk_prob),
      factor_(static_cast<float>(config.routed_scaling_factor)) {}

void Router::drop_groups(std::span<float> choices, std::span<float> worths) const {
  const size_t size = experts_ / groups_;
  for (size_t g = 0; g < groups_; ++g)
    worths[g] = worth_of(choices.subspan(g * size, size), pairs_);
  // What is kept is marked by dropping its worth: the groups left over are the ones to drop.
  for (size_t kept = 0; kept < kept_groups_; ++kept) worths[best(worths)] = kDropped;
  for (size_t g = 0; g < groups_; ++g) {
    if (worths[g] == kDropped) continue;
    std::ranges::fill(choices.subspan(g * size, size), kDropped);
  }
}

void Router::choose(const kernels::Kernels& kernels, std::span<float> logits,
                    std::span<const float> bias, std::span<float> scratch,
                    std::span<uint32_t> experts, std::span<float> weights) const {
  float* scores = logits.data();
  if (sigmoid_) {
    kernels.sigmoid(scores, experts_, scores);
  } else {
    const float shift = kernels.max(scores, experts_);
    const float sum = kernels.exp_sum(scores, shift, experts_, scores);
    for (size_t e = 0; e < experts_; ++e) scores[e] /= sum;
  }
  const auto choices = scratch.first(experts_);
  for (size_t e = 0; e < experts_; ++e) {
    choices[e] = bias.empty() ? scores[e] : scores[e] + bias[e];
  }
  if (groups_ > kept_groups_) drop_groups(choices, scratch.subspan(experts_, groups_));
  for (size_t k = 0; k < chosen_; ++k) {
    const size_t e = best(choices);
    experts[k] = static_cast<uint32_t>(e);
    choices[e] = kDropped;
  }
  std::sort(experts.begin(), experts.begin() + static_cast<ptrdiff_t>(chosen_));
  float sum = 0;
  for (size_t k = 0; k < chosen_; ++k) sum += scores[experts[k]];
  for (size_t k = 0; k < chosen_; ++k) {
    const float score = scores[experts[k]];
    weights[k] = (normalise_ ? score / sum : score) * factor_;
  }
}

}  // namespace baton::layers
