#include "server/relay/invariants.h"

#include <fmt/format.h>

#include <algorithm>

namespace baton::server {

std::optional<std::string> broken_invariant(const GatewayState& state) {
  const GatewayCounts& counts = state.counts_;
  if (counts.begun != counts.finished + counts.failed + counts.cancelled + state.requests_.size())
    return "not every request that began is live or has ended exactly once";
  if (state.requests_.size() > state.limits_.requests_max) return "more requests than the limit";
  const auto moving =
      std::ranges::count_if(state.requests_, [](const auto& entry) { return entry.second.moving; });
  if (counts.placed_again !=
      counts.resumed + counts.lost_again + counts.left_since + static_cast<uint64_t>(moving))
    return "not every request that was placed again is under way or has one outcome";
  for (const auto& [id, request] : state.requests_) {
    if (request.state.id != id) return "a request is filed under another's id";
    if ((request.phase == GatewayState::Phase::served) != request.decode.has_value())
      return fmt::format("request {}: served and has a decode instance are not the same", id.value);
    if (request.wake < state.next_wake_)
      return fmt::format("request {} has a deadline that nobody looks at", id.value);
    if (request.wake > request.deadline)
      return fmt::format("request {} would sleep past its deadline", id.value);
    if (request.state.attempt.value != request.timeline.attempts ||
        request.timeline.attempts - request.preemptions > state.limits_.attempts_max)
      return fmt::format("request {} has been placed too often", id.value);
    if (request.log.finished()) return fmt::format("request {} is finished and live", id.value);
    if (request.first_token_seen && sum_of_parts(request.timeline) != request.timeline.first_token)
      return fmt::format("request {}: the parts of its timeline don't sum up", id.value);
  }
  return std::nullopt;
}

}  // namespace baton::server
