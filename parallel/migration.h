// Migration: how experts move from the placement that is active to the one that is wanted, in the
// background of steps.
//
// One layer at a time: its new placement keeps every expert that stays on a rank in its slot, the
// other slots are loaded beside the old ones, and once the last is loaded the whole layer switches
// at the next step boundary, under a new epoch. Until then the old weights serve. So a rank needs
// spare room for the slots of one layer. At most `moves_max` slots a rank are being loaded, and as
// many are being read from a rank, at any time: what a step may cost more is bounded.
//
// Invariants: an active placement is wholly loaded; epochs only grow, and none is used twice, so a
// late word about a layer that was given up is known by its epoch.
// Thread safety: one thread, rank 0's: it puts each step's moves and switch into the step's plan.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "parallel/placement.h"
#include "parallel/topology.h"

namespace baton::parallel {

// Load `expert` into the spare room of `slot`. Its weights can be had from `from_slot`, which holds
// the expert until the switch, on the nearest rank that does (the slot's own, its host, any).
struct SlotMove {
  uint32_t layer = 0;
  uint32_t slot = 0;
  uint32_t expert = 0;
  uint32_t from_slot = 0;
  uint64_t epoch = 0;  // of the placement that it is for
  friend bool operator==(const SlotMove&, const SlotMove&) = default;
};

// The target with the slots of each rank so ordered that the experts that stay on a rank stay in
// their slots. Order inside a rank means nothing else, so this is the target at the least moves.
ExpertPlacement keep_in_place(const ExpertPlacement& active, const ExpertPlacement& target);

class Migration {
 public:
  struct Actions {
    std::optional<uint32_t> switched;  // active(*switched) is new from this step on
    std::span<const SlotMove> moves;   // to begin in this step; valid until the next step()
  };

  // active: by layer, of one shape, whose ranks are the topology's.
  Migration(const Topology& topology, std::vector<ExpertPlacement> active, uint32_t moves_max);

  // What is wanted from now on, by layer. A layer that is under way is first brought to its end.
  void aim(std::vector<ExpertPlacement> targets);
  // Gives up what is under way and what is wanted; what is active stays. Spare room is void.
  void stop();

  // At a step boundary. Costs nothing when nothing is to be moved. No allocation but at the begin
  // of a layer.
  Actions step();
  // The rank of the slot has the weights. False, and no matter, if it is no news or too late.
  bool loaded(const SlotMove& move);
  // It could not get them: the move is given out again. False as above.
  bool failed(const SlotMove& move);

  const ExpertPlacement& active(uint32_t layer) const { return active_[layer]; }
  uint32_t layers() const { return static_cast<uint32_t>(active_.size()); }
  bool settled() const { return !next_ && cursor_ == layers(); }
  // The layer that is under way.
  std::optional<uint32_t> moving() const;

 private:
  enum class State : uint8_t { waiting, loading, loaded };
  struct Pending {
    SlotMove move;
    State state = State::waiting;
  };

  void begin_next_layer();
  void give_out();
  std::optional<uint32_t> source_for(const SlotMove& move) const;
  Pending* loading(const SlotMove& move);
  void release(const SlotMove& move);

  Topology topology_;
  std::vector<ExpertPlacement> active_;   // [layers]
  std::vector<ExpertPlacement> targets_;  // [layers], or none
  uint32_t moves_max_;
  uint64_t epoch_ = 0;   // the last one used
  uint32_t cursor_ = 0;  // layers below it have been compared with the targets

  // The layer under way.
  uint32_t layer_ = 0;
  std::optional<ExpertPlacement> next_;
  std::vector<Pending> pending_;    // its moves
  size_t left_ = 0;                 // of them not loaded
  std::vector<uint32_t> arriving_;  // [ranks], moves being loaded
  std::vector<uint32_t> leaving_;   // [ranks], moves being read from another rank
  std::vector<SlotMove> moves_;     // of this step
};

}  // namespace baton::parallel
