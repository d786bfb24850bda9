// FillCosts: what an entry of a prompt costs to be filled here, and to come from a prefill, as
// measured: which of the two is cheaper when a prefill was lost and some of its pages are here.
// It changes where a prompt is filled, never its bytes. Pure. Thread safety: its owner's.
#pragma once

#include <cstdint>

#include "base/clock.h"
#include "proto/ids.h"

namespace baton::decode {

class FillCosts {
 public:
  static constexpr uint32_t kEntriesMin = kPageTokens;  // fewer say little
  static constexpr double kHereAtFirst = 4;  // times what prefill takes, until both are measured

  void filled(uint32_t entries, Duration took);     // here, between other requests' rows
  void prefilled(uint32_t entries, Duration took);  // from the reservation to the last landing

  // Filling `rest` entries here, or having all `whole` of them computed by another prefill, which
  // may have none of them?
  bool cheaper_here(uint32_t rest, uint32_t whole) const;

 private:
  double here_ = 0, prefill_ = 0;  // seconds an entry; 0: never measured
};

}  // namespace baton::decode
