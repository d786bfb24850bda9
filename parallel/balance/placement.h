// ExpertPlacement: which expert lies in which slot of one layer, and how that is decided.
//
// Slots are physical: slot s is slot s % slots_per_rank of rank s / slots_per_rank. Every expert
// has a slot at least; one with several is replicated, and any of them computes the same bytes.
// Experts are logical: the routed ones by id, then the shared one if it is routed too (with every
// token's load). rebalance() has the semantics of the load balancer published with the DeepSeek-V3
// report (EPLB), to the slot: float32 arithmetic, ties to the lowest index. Thread safety: values,
// pure functions.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "parallel/layout.h"

namespace baton::parallel {

class ExpertPlacement {
 public:
  // expert_of: [slots], a whole number of them a rank; each of `experts` at least once.
  ExpertPlacement(std::vector<uint32_t> expert_of, uint32_t experts, uint32_t ranks,
                  uint64_t epoch = 0);

  uint32_t experts() const { return static_cast<uint32_t>(first_slot_.size() - 1); }
  uint32_t slots() const { return static_cast<uint32_t>(expert_of_.size()); }
  uint32_t ranks() const { return slots() / slots_per_rank_; }
  uint32_t slots_per_rank() const { return slots_per_rank_; }
  uint64_t epoch() const { return epoch_; }  // grows with each placement that becomes active

  uint32_t expert_of(uint32_t slot) const { return expert_of_[slot]; }
  std::span<const uint32_t> physical_to_logical() const { return expert_of_; }  // [slots]
  // The slots of an expert, ascending.
  std::span<const uint32_t> slots_of(uint32_t expert) const {
    return std::span(slots_by_expert_)
        .subspan(first_slot_[expert], first_slot_[expert + 1] - first_slot_[expert]);
  }
  uint32_t replicas_of(uint32_t expert) const {
    return first_slot_[expert + 1] - first_slot_[expert];
  }
  uint32_t rank_of(uint32_t slot) const { return slot / slots_per_rank_; }
  // The experts in the slots of a rank, in the order of the slots.
  std::span<const uint32_t> experts_on(uint32_t rank) const {
    return std::span(expert_of_).subspan(size_t{rank} * slots_per_rank_, slots_per_rank_);
  }

  ExpertPlacement with_epoch(uint64_t epoch) const;
  friend bool operator==(const ExpertPlacement&, const ExpertPlacement&) = default;

 private:
  uint32_t slots_per_rank_;
  uint64_t epoch_;
  std::vector<uint32_t> expert_of_;        // [slots]
  std::vector<uint32_t> first_slot_;       // [experts + 1], into slots_by_expert_
  std::vector<uint32_t> slots_by_expert_;  // [slots], by expert, then ascending
};

// What a placement must fill. hosts divides ranks, ranks divides slots, slots >= experts.
struct PlacementShape {
  uint32_t experts = 1;  // logical ones
  uint32_t groups = 1;   // of experts, alike; a token's experts come from few of them
  uint32_t slots = 1;
  uint32_t hosts = 1;
  uint32_t ranks = 1;
  // The last expert's load over another's, as far as can be known beforehand: a shared one that is
  // routed has every token.
  float last_load = 1;

  // Whether every host can have whole groups, so that a token goes to few hosts. A shared expert
  // that is routed belongs to no group, so then not.
  bool hierarchical() const { return groups % hosts == 0 && experts % groups == 0; }
};

PlacementShape placement_shape(const Layout& layout, const ModelShape& model);

// When nothing is known of the loads but that a routed shared expert has every token: experts in
// order, then the slots left over, to whichever has the heaviest replicas: round robin, where no
// shared expert is routed. Of each host its own groups, where it can be hierarchical.
ExpertPlacement first_placement(const PlacementShape& shape);

// One layer. Hierarchical where it can be: groups are packed to hosts evenly by their load, the
// spare slots of each host go to whichever expert there has the heaviest replicas, and the replicas
// are packed to ranks evenly; otherwise the same as if there were one host and one group. Loads
// that are all zero count as equal. O(slots * experts).
ExpertPlacement rebalance(std::span<const float> loads /* [experts], >= 0 */,
                          const PlacementShape& shape);

// The same experts on each host, packed evenly to its ranks by their load: what adds no traffic
// between hosts (DeepSeek-V3 report, 3.4.1).
ExpertPlacement rearrange(const ExpertPlacement& active, std::span<const float> loads,
                          uint32_t hosts);

}  // namespace baton::parallel
