// Balancer: keeps the experts where the load asks for them, step by step, while steps go on
// (DeepSeek-V3 report, 3.4).
//
// Ranks count the rows that come to their slots and tell them every few steps; a moving average is
// kept. Every period, or on demand, each layer in turn gets the placement that the average asks
// for, if that levels its ranks: its slots are loaded in the background (migration.h), and the
// layer switches at a step boundary under a new epoch. One layer is planned a step, so no step
// waits for a plan. Between whole plans the experts of a host may be packed anew to its ranks.
//
// Invariants: a placement that is active is wholly loaded; epochs only grow; a report is about one
// placement, because ranks report in the step before a switch. Pure: the time is passed in.
// Thread safety: one thread, rank 0's.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "base/clock.h"
#include "parallel/balance/load_average.h"
#include "parallel/balance/migration.h"

namespace baton::parallel {

struct BalanceLimits {
  Duration period = 10min;      // between two plans; 0: only on demand
  Duration rearrange_period{};  // between two rearrangements inside hosts; 0: never
  uint32_t report_steps = 32;   // steps between two reports
  uint32_t window = 256;        // reports that the average remembers
  uint32_t moves_max = 1;       // slots a rank being loaded at a time
  double gain_min = 0.02;       // share of a layer's imbalance that is worth a move
};

struct LayerSwitch {
  uint32_t layer = 0;
  ExpertPlacement placement;
};

// What all ranks hear of experts at the begin of a step.
struct BalanceOrders {
  bool report = false;                  // tell at its end what came to your slots
  std::vector<uint32_t> asked;          // ranks that tell at its end which moves are loaded
  std::vector<SlotMove> moves;          // begin these
  std::optional<LayerSwitch> switched;  // from this step on

  bool asks(uint32_t rank) const;
};

// What one rank tells at the end of a step.
struct BalanceReport {
  std::vector<uint32_t> tokens;  // [layers, slots a rank], if it was to report; since the last time
  std::vector<SlotMove> loaded;
  std::vector<SlotMove> failed;  // weights that can't be had
};

struct BalanceView {
  uint64_t plans = 0;  // begun
  uint64_t layers_switched = 0;
  uint64_t slots_moved = 0;
  uint64_t moves_failed = 0;
  std::vector<uint64_t> tokens;   // [layers]: rows that were computed, one for each expert
  std::vector<double> heaviest;   // [layers]: of the experts' loads of late, largest over mean
  std::vector<double> imbalance;  // [layers]: of the ranks' loads of late, largest over mean
};

class Balancer {
 public:
  // layers: of experts, counted by themselves; each begins with first_placement.
  Balancer(const PlacementShape& shape, uint32_t layers, const BalanceLimits& limits);

  // Plans anew with the next steps, unless that is under way already.
  void rebalance() {
    if (settled()) wanted_ = Plan::whole;
  }

  // In this order, once a step. Allocates with reports and while experts move only.
  BalanceOrders begin_step(Instant now);
  void heard(uint32_t rank, const BalanceReport& report);
  void end_step();

  // Nothing is planned or moved, and nobody asked for it: steps need not be taken for its sake.
  bool settled() const { return !wanted_ && !migration_ && planned_ == layers(); }
  uint32_t layers() const { return static_cast<uint32_t>(active_.size()); }
  const ExpertPlacement& active(uint32_t layer) const { return active_[layer]; }
  const LoadAverage& loads() const { return loads_; }
  const BalanceView& view() const { return view_; }

 private:
  enum class Plan : uint8_t { whole, hosts };

  void plan(Instant now, BalanceOrders& orders);
  void plan_layer(uint32_t layer);
  void move(BalanceOrders& orders);

  PlacementShape shape_;
  BalanceLimits limits_;
  std::vector<ExpertPlacement> active_;  // [layers]
  uint64_t epoch_ = 0;                   // the last one used
  LoadAverage loads_;
  std::vector<uint32_t> counts_;  // [layers, experts]: of the reports of this step
  bool reporting_ = false;        // in this step
  bool reported_ = false;         // in the last one
  uint32_t steps_ = 0;            // since the last report

  std::optional<Plan> wanted_;
  Plan plan_ = Plan::whole;
  uint32_t planned_;  // layers below it have got their plan
  std::optional<Instant> next_plan_, next_rearrangement_;
  std::optional<Migration> migration_;
  BalanceView view_;
};

}  // namespace baton::parallel
