// BalancedRanks: the ranks of an instance as the balancer sees them, on virtual time: they send
// tokens to the replicas that they choose, count what comes, and load what they are told to.
//
// Trace: what the tokens choose. Thread safety: one thread; all follows from seeds.
#pragma once

#include <span>
#include <vector>

#include "base/hash/counter_rng.h"
#include "bench/parallel/tools/tokens.h"
#include "parallel/balance/balancer.h"
#include "parallel/balance/replica_choice.h"

namespace baton::bench {

inline constexpr uint32_t kLayers = 2;  // of experts

// What tokens choose, phase after phase: some experts change their popularity between two.
struct Trace {
  struct Phase {
    std::vector<std::vector<uint32_t>> tokens;  // [layers][tokens * experts a token]
    std::vector<std::vector<float>> loads;      // [layers][experts]
    double heaviest = 0;                        // of the routed experts' loads, over the mean
  };
  std::vector<Phase> phases;
  size_t per_token = kChosen;
};

struct TraceShape {
  bool routed_shared = false;
  size_t tokens = 0;  // of a phase and layer
  size_t phases = 1;
  double exponent = 0;  // of the popularity: 1 / rank^exponent
  double drift = 0;     // share of the experts that change ranks between two phases
};
Trace make_trace(const TraceShape& shape);

// Largest over mean of the ranks' rows, mean over layers: of single steps, and of all together.
struct Measured {
  double step = 0, window = 0;
};

class BalancedRanks {
 public:
  BalancedRanks(const parallel::Layout& layout, const parallel::BalanceLimits& limits,
                Duration step);

  // A step in which every rank has `rows` tokens of the phase. What a rank was told to load in it
  // is loaded at its end.
  void step(const Trace& trace, size_t phase, uint32_t rows);
  Measured measure(const Trace& trace, size_t phase, uint32_t rows, size_t steps);

  const parallel::Balancer& balancer() const { return balancer_; }
  uint32_t slots() const { return topology_.ranks() * slots_per_rank_; }  // of a layer
  // What a plan would reach that knew the loads, if replicas shared them alike.
  double best(const Trace::Phase& phase) const;

 private:
  void follow(uint32_t layer);
  void send(uint32_t layer, uint32_t rank, const Trace& trace, std::span<const uint32_t> tokens,
            uint32_t rows);
  std::span<const double> rank_rows(uint32_t layer) const;
  parallel::BalanceReport report(uint32_t rank, bool tokens);

  Duration step_length_;
  parallel::Topology topology_;
  parallel::Nearness nearness_;
  parallel::PlacementShape shape_;
  parallel::Balancer balancer_;
  uint32_t slots_per_rank_;
  std::vector<uint32_t> slot_rows_;                       // [layers, slots], since the last report
  std::vector<std::vector<parallel::SlotMove>> loading_;  // [ranks], done with the step
  std::vector<std::vector<parallel::ReplicaChoice>> choices_;  // [layers][ranks]
  std::vector<double> step_rows_;                              // [layers, ranks]
  std::vector<uint32_t> turns_, slots_;
  SeededRandom random_{9};
  Instant now_{};
};

}  // namespace baton::bench
