#include "scheduler/fair_share.h"

#include <algorithm>
#include <tuple>

#include "base/result.h"

namespace baton::scheduler {

namespace {
constexpr int32_t kPriorityMost = 8;
constexpr Duration kLevel = 5s;
}  // namespace

int64_t effective_priority(int32_t priority, Duration waited) {
  return std::clamp(priority, -kPriorityMost, kPriorityMost) - waited / kLevel;
}

void FairShare::enter(const std::string& tenant) {
  Account& account = accounts_[tenant];
  if (account.requests++ > 0) return;
  uint64_t least = UINT64_MAX;
  for (const auto& [name, other] : accounts_) {
    if (other.requests > 0 && name != tenant) least = std::min(least, other.tokens);
  }
  // Alone it starts where the last one who was here has left off.
  account.tokens = least == UINT64_MAX ? level_ : least;
}

void FairShare::leave(const std::string& tenant) {
  const auto found = accounts_.find(tenant);
  check(found != accounts_.end() && found->second.requests > 0, "a request leaves that never came");
  if (--found->second.requests > 0) return;
  level_ = std::max(level_, found->second.tokens);
  accounts_.erase(found);
}

void FairShare::charge(const std::string& tenant, uint64_t tokens) {
  const auto found = accounts_.find(tenant);
  if (found != accounts_.end()) found->second.tokens += tokens;
}

void FairShare::refund(const std::string& tenant, uint64_t tokens) {
  const auto found = accounts_.find(tenant);
  if (found != accounts_.end()) found->second.tokens -= std::min(found->second.tokens, tokens);
}

uint64_t FairShare::tokens_of(std::string_view tenant) const {
  const auto found = accounts_.find(tenant);
  return found == accounts_.end() ? level_ : found->second.tokens;
}

bool FairShare::before(const Standing& a, const Standing& b) const {
  const auto rank = [this](const Standing& s) {
    return std::tuple(effective_priority(s.priority, s.waited), tokens_of(s.tenant), -s.waited,
                      s.arrival);
  };
  return rank(a) < rank(b);
}

}  // namespace baton::scheduler
