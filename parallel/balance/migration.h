// Migration: how the experts of one layer move to another placement, in the background of steps.
//
// Every expert that stays on a rank stays in its slot; the other slots are loaded beside the old
// weights, which serve until the last one is loaded and the whole layer switches. So a rank needs
// spare room for the slots of one layer. At most `moves_max` slots a rank are being loaded at a
// time: what a step may cost more is bounded.
// Thread safety: one thread, rank 0's.
#pragma once

#include <span>
#include <vector>

#include "parallel/balance/placement.h"

namespace baton::parallel {

// Load `expert` into the spare room of `slot`.
struct SlotMove {
  uint32_t layer = 0;
  uint32_t slot = 0;
  uint32_t expert = 0;
  uint64_t epoch = 0;  // of the placement that it is for; none is used twice
  friend bool operator==(const SlotMove&, const SlotMove&) = default;
};

// The target with its hosts, and the ranks of each host, in another order: so that hosts, and then
// ranks, that have most experts in common with the active ones take their places. Which of them has
// a set of experts means nothing to the load of any. A good order, not always the best one.
ExpertPlacement rename_ranks(const ExpertPlacement& active, const ExpertPlacement& target,
                             uint32_t hosts);

// The target with the slots of each rank so ordered that the experts that stay on a rank stay in
// their slots. Order inside a rank means nothing else, so this is the target at the least moves.
ExpertPlacement keep_in_place(const ExpertPlacement& active, const ExpertPlacement& target);

class Migration {
 public:
  // `target` is as keep_in_place makes it, under an epoch of its own.
  Migration(uint32_t layer, const ExpertPlacement& active, ExpertPlacement target,
            uint32_t moves_max);

  // The moves that may begin now; valid until the next call.
  std::span<const SlotMove> begin();
  // The rank of the slot has the weights. False, and no matter, if that is no news or is about
  // another epoch.
  bool loaded(const SlotMove& move);

  bool complete() const { return left_ == 0; }
  bool awaits(uint32_t rank) const { return arriving_[rank] > 0; }  // word of a move
  uint32_t layer() const { return layer_; }
  const ExpertPlacement& target() const { return target_; }

 private:
  enum class State : uint8_t { waiting, loading, loaded };
  struct Pending {
    SlotMove move;
    State state = State::waiting;
  };

  uint32_t layer_;
  ExpertPlacement target_;
  uint32_t moves_max_;
  std::vector<Pending> pending_;
  size_t left_;                     // not loaded
  std::vector<uint32_t> arriving_;  // [ranks], moves being loaded
  std::vector<SlotMove> begun_;
};

}  // namespace baton::parallel
