#include "parallel/balance/replica_choice.h"

namespace baton::parallel {

ReplicaChoice::ReplicaChoice(const ExpertPlacement& placement, const Topology& topology,
                             uint32_t source_rank, Nearness nearness)
    : epoch_(placement.epoch()), source_rank_(source_rank), first_{0} {
  check(placement.ranks() == topology.ranks() && source_rank < topology.ranks(),
        "placement and topology are of one instance, and the source is a rank of it");
  // Appends the replicas for which `near` holds; false if there is none.
  const auto take = [&](uint32_t expert, auto near) {
    const size_t before = candidates_.size();
    for (const uint32_t slot : placement.slots_of(expert)) {
      if (near(placement.rank_of(slot))) candidates_.push_back(slot);
    }
    return candidates_.size() > before;
  };
  for (uint32_t expert = 0; expert < placement.experts(); ++expert) {
    const bool found =
        take(expert, [&](uint32_t rank) { return rank == source_rank; }) ||
        (nearness == Nearness::own_host &&
         take(expert, [&](uint32_t rank) { return topology.same_host(rank, source_rank); })) ||
        take(expert, [](uint32_t) { return true; });
    check(found, "every expert has a slot");
    first_.push_back(static_cast<uint32_t>(candidates_.size()));
  }
}

void ReplicaChoice::choose(std::span<const uint32_t> experts, std::span<uint32_t> turns,
                           std::span<uint32_t> slots) const {
  check(turns.size() == this->experts() && slots.size() == experts.size(),
        "a choice has a turn for each expert and a slot for each row");
  for (size_t i = 0; i < experts.size(); ++i) {
    const uint32_t expert = experts[i];
    const uint32_t first = first_[expert];
    const uint32_t count = first_[expert + 1] - first;
    slots[i] = candidates_[first + (source_rank_ + turns[expert]++) % count];
  }
}

}  // namespace baton::parallel
