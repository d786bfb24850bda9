#include "decode/draft_policy.h"

#include <algorithm>
#include <bit>

namespace baton::decode {
namespace {

constexpr double kKept = 0.95;     // of an average, at each step; the first ones weigh the same
constexpr double kBetter = 1.02;   // than the depth in use, to take its place
constexpr double kComplete = 0.9;  // of the drafts that a step of a depth verifies

}  // namespace

DraftPolicy::DraftPolicy(uint32_t depth_max) : depth_max_(depth_max) {
  for (Batches& batches : classes_) {
    batches.rates.resize(depth_max + 1);
    batches.best = batches.trying = std::min(1u, depth_max);
  }
}

size_t DraftPolicy::size_class(uint32_t sequences) {
  return static_cast<size_t>(std::bit_width(sequences));
}

uint32_t DraftPolicy::depth(uint32_t sequences) { return classes_[size_class(sequences)].trying; }

void DraftPolicy::ended(const Step& step) {
  if (depth_max_ == 0 || step.sequences == 0) return;
  Batches& batches = classes_[size_class(step.sequences)];
  // A step that was to make the same number of drafts as it verified.
  const auto whole = static_cast<double>(step.sequences) * step.depth;
  const auto verified = static_cast<double>(step.verified);
  const bool steady = !step.filled && verified <= whole && verified >= kComplete * whole;
  if (steady) {
    Rate& rate = batches.rates[step.depth];
    const double kept = std::min(kKept, rate.steps / (rate.steps + 1.0));
    const auto tokens = static_cast<double>(step.tokens) / step.sequences;
    rate.tokens = kept * rate.tokens + (1 - kept) * tokens;
    rate.seconds = kept * rate.seconds + (1 - kept) * to_seconds(step.took);
    ++rate.steps;
  }
  if (step.depth != batches.trying) return;
  if (batches.trying != batches.best || !batches.rates[batches.best].tried) {
    batches.measured += steady ? 1 : 0;
    if (batches.measured < kTrySteps && ++batches.tried < kTryStepsMax) return;
    batches.rates[batches.trying].tried = true;
    next_try(batches);
    return;
  }
  settle(batches);
  if (++batches.since >= kTryEvery) next_try(batches);
}

// The best of what has been measured.
void DraftPolicy::settle(Batches& batches) {
  for (uint32_t d = 0; d < batches.rates.size(); ++d) {
    if (batches.rates[d].of() > kBetter * batches.rates[batches.best].of()) batches.best = d;
  }
  batches.trying = batches.best;
}

// A depth up to the best's deeper neighbour that has not been tried yet; else a neighbour of the
// best when its time has come.
void DraftPolicy::next_try(Batches& batches) {
  const bool due = batches.since >= kTryEvery;
  batches.measured = batches.tried = 0;
  settle(batches);
  for (uint32_t d = 0; d <= std::min(batches.best + 1, depth_max_); ++d) {
    if (batches.rates[d].tried) continue;
    batches.trying = d;
    return;
  }
  if (!due) return;
  batches.since = 0;
  const bool deeper = batches.deeper_next ? batches.best < depth_max_ : batches.best == 0;
  batches.deeper_next = !batches.deeper_next;
  batches.trying = deeper ? batches.best + 1 : batches.best - 1;
  batches.rates[batches.trying].steps = 0;  // what it brought long ago says little
}

}  // namespace baton::decode
