// StoreCosts: is it cheaper to read pages from the kvstore than to compute them? By what both have
// cost of late, as running means over about eight measurements.
//
// What has not been measured, or not for a while, is tried: a store that was slow once is not
// slow for ever. Pure. Thread safety: its owner's.
#pragma once

#include <cstdint>
#include <optional>

#include "base/clock.h"

namespace baton::prefill {

struct StoreCostLimits {
  Duration measured_for = 10s;  // then reading is tried again, whatever it has cost
  Duration read_min = 250ms;    // a read has that much time at least,
  Duration read_max = 5s;       // that much at most, or if computing has not been measured
};

class StoreCosts {
 public:
  explicit StoreCosts(StoreCostLimits limits) : limits_(limits) {}

  void computed(uint32_t tokens, Duration took);
  void read(uint32_t pages, Duration took, Instant now);  // no page came: it has cost the time

  double page_seconds() const { return page_seconds_; }  // to read one; 0: never done
  // To compute one: a step of few tokens says little about it.
  double token_seconds() const { return tokens_ > 0 ? seconds_ / tokens_ : 0; }

  // What is expected; nothing where there is no measurement.
  std::optional<Duration> reading(uint32_t pages, Instant now) const;
  std::optional<Duration> computing(uint32_t pages) const;
  bool cheaper_to_read(uint32_t pages, Instant now) const;
  // How long so many pages may be waited for: twice what computing them would take.
  Duration read_limit(uint32_t pages) const;

 private:
  StoreCostLimits limits_;
  double page_seconds_ = 0;          // to read one
  double tokens_ = 0, seconds_ = 0;  // of a step
  std::optional<Instant> read_at_;
};

}  // namespace baton::prefill
