#include "prefill/handoff_figures.h"

#include <array>

namespace baton::prefill {

namespace {

constexpr std::array<double, 13> kMilliseconds = {1,   2,   5,    10,   20,   50,   100,
                                                  200, 500, 1000, 2000, 5000, 10000};
constexpr std::array<double, 13> kMegabytes = {.1, .2, .5,  1,   2,    5,    10,
                                               20, 50, 100, 500, 2000, 10000};
constexpr std::array<double, 13> kGigabytesPerSecond = {.001, .01, .02, .05, .1, .2, .5,
                                                        1,    2,   5,   10,  20, 50};

}  // namespace

HandoffFigures::HandoffFigures()
    : exposed_ms_(kMilliseconds), megabytes_(kMegabytes), gigabytes_per_s_(kGigabytesPerSecond) {}

void HandoffFigures::committed(uint64_t bytes, Duration transferred, Duration exposed) {
  exposed_ms_.observe(to_seconds(exposed) * 1e3);
  megabytes_.observe(static_cast<double>(bytes) * 1e-6);
  if (transferred > Duration{})
    gigabytes_per_s_.observe(static_cast<double>(bytes) * 1e-9 / to_seconds(transferred));
}

void HandoffFigures::failed(bool reserved) {
  ++(reserved ? failed_transfers_ : failed_unreserved_);
}

void HandoffFigures::add_to(MetricsSnapshot& all) const {
  exposed_ms_.add_to(all, "baton_kv_transfer_latency_ms",
                     "Of a hand-off, from the prompt's last entry computed to the commit.");
  megabytes_.add_to(all, "baton_kv_transfer_total_mb", "Latent cache of a hand-off.");
  gigabytes_per_s_.add_to(
      all, "baton_kv_transfer_speed_gb_s",
      "Of a hand-off, from its first frame to the commit: no faster than it is computed.");
  add_counter(all, "baton_num_bootstrap_failed_reqs_total",
              "Prefill jobs that ended before decode had reserved pages for them.",
              static_cast<double>(failed_unreserved_));
  add_counter(all, "baton_num_transfer_failed_reqs_total",
              "Prefill jobs that ended after that without a hand-off.",
              static_cast<double>(failed_transfers_));
}

}  // namespace baton::prefill
