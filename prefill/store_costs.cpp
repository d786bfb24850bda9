#include "prefill/store_costs.h"

#include <algorithm>

#include "proto/ids.h"

namespace baton::prefill {
namespace {

constexpr double kWeight = 0.125;  // of the last measurement

void add(double& mean, double value) { mean = mean > 0 ? mean + kWeight * (value - mean) : value; }

Duration duration_of(double seconds) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

}  // namespace

void StoreCosts::computed(uint32_t tokens, Duration took) {
  if (tokens == 0) return;
  const double weight = tokens_ > 0 ? kWeight : 1;
  tokens_ += weight * (tokens - tokens_);
  seconds_ += weight * (to_seconds(took) - seconds_);
}

void StoreCosts::read(uint32_t pages, Duration took, Instant now) {
  const double each = to_seconds(took) / std::max(pages, 1u);
  const bool fresh = reading(1, now).has_value();
  if (!fresh) page_seconds_ = 0;
  add(page_seconds_, each);
  read_at_ = now;
}

std::optional<Duration> StoreCosts::reading(uint32_t pages, Instant now) const {
  if (!read_at_ || now - *read_at_ > limits_.measured_for) return std::nullopt;
  return duration_of(page_seconds_ * pages);
}

std::optional<Duration> StoreCosts::computing(uint32_t pages) const {
  if (tokens_ == 0) return std::nullopt;
  return duration_of(token_seconds() * pages * kPageTokens);
}

bool StoreCosts::cheaper_to_read(uint32_t pages, Instant now) const {
  const auto to_read = reading(pages, now);
  const auto to_compute = computing(pages);
  return !to_read || !to_compute || *to_read < *to_compute;
}

Duration StoreCosts::read_limit(uint32_t pages) const {
  const auto to_compute = computing(pages);
  return to_compute ? std::clamp(2 * *to_compute, limits_.read_min, limits_.read_max)
                    : limits_.read_max;
}

}  // namespace baton::prefill
