#include "bench/parallel/tools/tokens.h"

#include <cmath>
#include <utility>

namespace baton::bench {

namespace {

checkpoint::ModelConfig v3_routing() {
  checkpoint::ModelConfig config;
  config.num_routed_experts = kExperts;
  config.experts_per_token = kChosen;
  config.num_groups = 8;
  config.topk_groups = 4;
  config.routed_scaling_factor = 2.5;
  return config;
}

}  // namespace

parallel::ModelShape v3_shape() {
  return {.heads = 128,
          .routed_experts = kExperts,
          .shared_experts = 1,
          .expert_groups = 8,
          .experts_per_token = kChosen};
}

Tokens::Tokens(uint64_t seed) : router_(v3_routing()), random_(seed) {}

// The largest of values with such noise are a draw by weight without replacement.
double Tokens::gumbel() {
  const double uniform = (static_cast<double>(random_.next() >> 11) + 0.5) * 0x1p-53;
  return -std::log(-std::log(uniform));
}

std::vector<uint32_t> Tokens::draw(size_t count, std::span<const float> popularity,
                                   bool routed_shared) {
  const size_t per_token = kChosen + (routed_shared ? 1 : 0);
  std::vector<uint32_t> experts(count * per_token);
  std::vector<float> logits(kExperts), scratch(router_.scratch_floats()), weights(kChosen);
  for (size_t t = 0; t < count; ++t) {
    // Scores are sigmoids: their argument stays where they differ.
    for (size_t e = 0; e < kExperts; ++e)
      logits[e] = static_cast<float>(popularity[e] + gumbel()) / 4;
    const auto to = std::span(experts).subspan(t * per_token, per_token);
    router_.choose(kernels::best_kernels(), logits, {}, scratch, to.first(kChosen), weights);
    if (routed_shared) to.back() = kExperts;
  }
  return experts;
}

Popularity::Popularity(uint64_t seed, double exponent) : random_(seed) {
  for (size_t rank = 1; rank <= kExperts; ++rank) {
    logs_.push_back(static_cast<float>(-exponent * std::log(static_cast<double>(rank))));
  }
  drift(1);
}

void Popularity::drift(double share) {
  for (size_t e = 0; e < kExperts; ++e) {
    if (random_.chance(share)) std::swap(logs_[e], logs_[random_.below(kExperts)]);
  }
}

}  // namespace baton::bench
