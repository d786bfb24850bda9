// DraftPolicy: how many tokens each sequence drafts in a step, from what depths have brought so
// far.
//
// A deeper draft brings more tokens a step if they are accepted, and a longer step in any case: its
// rows read more experts, and a large batch leaves no time unused. So both are measured: for
// batches of like size (powers of two), each depth has a moving average of tokens a sequence and of
// seconds a step, over the steps that verified and made so many drafts. The depth with the best
// rate is used. At first each is tried for some steps; later a neighbour of the best is tried again
// now and then, since acceptance follows what is being said.
//
// It changes speed alone: no depth changes a token. Pure. Thread safety: its owner's.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/clock.h"

namespace baton::decode {

class DraftPolicy {
 public:
  explicit DraftPolicy(uint32_t depth_max);

  // For a step in which so many sequences sample.
  uint32_t depth(uint32_t sequences);

  struct Step {
    uint32_t sequences = 0;  // that sampled
    uint32_t depth = 0;      // drafts that each was to make
    uint64_t verified = 0;   // drafts
    uint64_t tokens = 0;     // sampled
    bool filled = false;     // it also filled cache entries: says nothing of drafts
    Duration took{};
  };
  void ended(const Step& step);

 private:
  static constexpr uint32_t kTrySteps = 16;     // measured, of a depth that is tried
  static constexpr uint32_t kTryStepsMax = 48;  // with those that could not be measured
  static constexpr uint32_t kTryEvery = 256;    // steps

  struct Rate {
    double tokens = 0;  // a sequence and step
    double seconds = 0;
    uint32_t steps = 0;
    bool tried = false;
    double of() const { return seconds > 0 ? tokens / seconds : 0; }
  };
  struct Batches {            // of like size
    std::vector<Rate> rates;  // [depth]
    uint32_t best = 0;
    uint32_t trying = 0;
    uint32_t measured = 0, tried = 0;  // steps of the depth that is tried
    uint32_t since = 0;                // steps since the last try
    bool deeper_next = true;
  };
  static size_t size_class(uint32_t sequences);
  void next_try(Batches& batches);
  static void settle(Batches& batches);

  uint32_t depth_max_;
  std::array<Batches, 33> classes_;
};

}  // namespace baton::decode
