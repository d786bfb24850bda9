#include "decode/fill_costs.h"

namespace baton::decode {

namespace {

void add(double& seconds, uint32_t entries, Duration took) {
  constexpr double kNew = 0.25;  // share of a new measurement
  if (entries < FillCosts::kEntriesMin || took <= Duration{}) return;
  const double now = to_seconds(took) / entries;
  seconds = seconds == 0 ? now : (1 - kNew) * seconds + kNew * now;
}

}  // namespace

void FillCosts::filled(uint32_t entries, Duration took) { add(here_, entries, took); }

void FillCosts::prefilled(uint32_t entries, Duration took) { add(prefill_, entries, took); }

bool FillCosts::cheaper_here(uint32_t rest, uint32_t whole) const {
  const bool measured = here_ > 0 && prefill_ > 0;
  const double ratio = measured ? here_ / prefill_ : kHereAtFirst;
  return rest * ratio < whole;
}

}  // namespace baton::decode
