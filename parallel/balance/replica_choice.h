// ReplicaChoice: which replica of an expert computes a token, decided by the token's own rank.
//
// One of a source rank and a layer's active placement. It prefers a slot on the source's own rank
// (no row travels), then, if asked to stay near, one on its own host; among the replicas that are
// left it goes round robin, from a start that differs by source rank. So every source spreads the
// rows of an expert to within one, and sources that have one row each don't all pick the same
// replica. Replicas hold the same weights: the choice moves load and never changes a byte.
// Thread safety: immutable; the turns are the caller's.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "parallel/balance/placement.h"
#include "parallel/topology.h"

namespace baton::parallel {

enum class Nearness : uint8_t {
  any_host,  // level over all replicas
  own_host,  // a replica on the source's host goes first: fewer bytes between hosts
};

class ReplicaChoice {
 public:
  ReplicaChoice(const ExpertPlacement& placement, const Topology& topology, uint32_t source_rank,
                Nearness nearness);

  uint64_t epoch() const { return epoch_; }  // of the placement that it was made of
  uint32_t experts() const { return static_cast<uint32_t>(first_.size() - 1); }

  // slots[i] becomes a slot of experts[i]. turns: [experts], zeroed by the caller at the start of a
  // step; calls that share them (micro-batches) go on in turn. No allocation.
  void choose(std::span<const uint32_t> experts /* [tokens * experts a token] */,
              std::span<uint32_t> turns, std::span<uint32_t> slots) const;

 private:
  uint64_t epoch_;
  uint32_t source_rank_;
  std::vector<uint32_t> first_;       // [experts + 1], into candidates_
  std::vector<uint32_t> candidates_;  // slots by expert: the nearest ones
};

}  // namespace baton::parallel
