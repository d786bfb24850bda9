#include "kvcache/pool_report.h"

#include <algorithm>

namespace baton::kvcache {

void PoolTally::waits(std::string what, Instant since, Instant deadline) {
  const Duration waited = std::max(now_ - since, Duration{});
  if (oldest_ && oldest_->since >= waited) return;
  oldest_ = {std::move(what), waited, deadline - now_};
}

PoolReport PoolTally::report(uint32_t in_flight, size_t pinned) const {
  PoolReport report{in_flight, static_cast<uint32_t>(pinned), {}, oldest_};
  for (const auto& [tenant, pages] : tenants_) report.tenants.push_back({tenant, pages});
  std::ranges::stable_sort(report.tenants, std::ranges::greater{}, &TenantPages::pages);
  if (report.tenants.size() > kTenantsMax) report.tenants.resize(kTenantsMax);
  return report;
}

}  // namespace baton::kvcache
