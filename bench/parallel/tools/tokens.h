// Tokens: which experts tokens choose, by DeepSeek-V3's own routing (256 experts in 8 groups, the
// 8 best of the 4 best groups) of scores drawn at random.
//
// Thread safety: one thread; what is drawn follows from the seed.
#pragma once

#include <span>
#include <vector>

#include "base/hash/counter_rng.h"
#include "model/layers/router.h"
#include "parallel/layout.h"

namespace baton::bench {

inline constexpr uint32_t kExperts = 256;
inline constexpr uint32_t kChosen = 8;
inline constexpr uint32_t kHidden = 7168;

parallel::ModelShape v3_shape();

class Tokens {
 public:
  explicit Tokens(uint64_t seed);

  // [count, kChosen], or one more with the shared expert's id after them. `popularity`: the log of
  // each expert's weight, [kExperts]; without groups 8 would be drawn by weight, none twice.
  std::vector<uint32_t> draw(size_t count, std::span<const float> popularity, bool routed_shared);

 private:
  double gumbel();

  layers::Router router_;
  SeededRandom random_;
};

// Weights 1 / rank^exponent, which expert has which rank drawn at random; in time some change.
class Popularity {
 public:
  Popularity(uint64_t seed, double exponent);

  std::span<const float> logs() const { return logs_; }  // [kExperts]
  void drift(double share);                              // so many experts change their ranks

 private:
  SeededRandom random_;
  std::vector<float> logs_;
};

}  // namespace baton::bench
