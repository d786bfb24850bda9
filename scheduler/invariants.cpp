#include "scheduler/invariants.h"

#include <fmt/format.h>

#include <set>

namespace baton::scheduler {

std::optional<std::string> broken_invariant(const Registry& registry) {
  if (registry.by_name_.size() != registry.instances_.size())
    return "the registry's names and instances differ in number";
  for (const auto& [name, incarnation] : registry.by_name_) {
    const Instance* instance = registry.find(incarnation);
    if (!instance || instance->peer.name != name)
      return fmt::format("the name {} does not lead to its instance", name);
  }
  for (const auto& [incarnation, instance] : registry.instances_)
    if (registry.is_fenced(incarnation))
      return fmt::format("{} is fenced and yet an instance", instance.peer.name);
  if (registry.instances_.size() > registry.limits_.instances_max)
    return "the registry holds more instances than its limit";
  return std::nullopt;
}

std::optional<std::string> broken_invariant(const Charges& charges) {
  std::map<Incarnation, Burden> sums;
  const auto add = [&sums](Incarnation instance, const Burden& burden) {
    Burden& sum = sums[instance];
    sum.requests += burden.requests;
    sum.pages += burden.pages;
    sum.tokens += burden.tokens;
  };
  for (const auto& [request, placement] : charges.placements_) {
    if (placement.prefill_open && !placement.answer.prefill)
      return "a placement without prefill is charged to one";
    if (placement.decode_open) add(placement.answer.decode.incarnation, placement.burden);
    if (placement.prefill_open) add(placement.answer.prefill->incarnation, placement.burden);
  }
  if (sums != charges.sums_) return "the charges by instance are not the sum of the placements";
  if (charges.placements_.size() > charges.limits_.placements_max)
    return "there are more placements than the limit";
  return std::nullopt;
}

std::optional<std::string> broken_invariant(const SchedulerState& state) {
  if (auto broken = broken_invariant(state.registry_)) return broken;
  if (auto broken = broken_invariant(state.charges_)) return broken;
  if (auto broken = broken_invariant(state.prefixes_)) return broken;
  for (const Incarnation instance : state.late_)
    if (!state.registry_.find(instance)) return "an alarm stands for an instance that is gone";
  if (state.watchers_.size() > state.limits_.watchers_max)
    return "there are more watchers than the limit";
  return std::nullopt;
}

}  // namespace baton::scheduler
