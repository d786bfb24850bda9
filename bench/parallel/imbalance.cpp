// Imbalance: the balancer on virtual time, under a load that is skewed and drifts.
#include "bench/parallel/sections.h"
#include "bench/parallel/tools/balanced_ranks.h"

namespace baton::bench {

namespace {

using parallel::BalanceLimits;

constexpr double kExponent = 0.6;
constexpr double kDrift = 0.25;
constexpr Duration kStep = 50ms;

// The defaults of the balancer with 1/32 of their times: a period of 10 minutes has 12000 steps,
// of which the average remembers 256 reports of 32.
constexpr Duration kPeriod = Duration(10min) / 32;
constexpr BalanceLimits kNever{.period = Duration::zero(), .report_steps = 4, .window = 64};

struct Unit {
  const char* name;
  const char* layout;
  uint32_t rows;  // a rank and step
};

class Section {
 public:
  Section(bool quick, Report& report) : steps_(quick ? 32 : 128), report_(report) {}

  void measure(const Unit& unit, const char* balancing, const BalanceLimits& limits,
               const Trace& trace) {
    BalancedRanks ranks(parallel::parse_layout(unit.layout).value(), limits, kStep);
    const auto& view = ranks.balancer().view();
    const bool balances =
        limits.period != Duration::zero() || limits.rearrange_period != Duration::zero();
    for (size_t phase = 0; phase < trace.phases.size(); ++phase) {
      const uint64_t plans = view.plans;
      const uint64_t moved = view.slots_moved;
      const uint64_t first = view.layers_switched;
      const Measured before = ranks.measure(trace, phase, unit.rows, steps_);
      uint32_t waited = 0;
      while (balances && (view.plans == plans || !ranks.balancer().settled())) {
        ranks.step(trace, phase, unit.rows);
        if (view.plans > plans) ++waited;
      }
      const Measured after = ranks.measure(trace, phase, unit.rows, steps_);
      const bool whole = limits.period != Duration::zero();
      if (whole) {
        report_.expect(after.window < before.window, "a plan levels the ranks that a load skews");
        report_.expect(view.slots_moved > moved, "experts move to where the load asks for them");
      }
      table_.add({unit.name, balancing, phase == 0 ? "start" : fmt::format("drift {}", phase),
                  trace.phases[phase].heaviest, before.window, after.window, after.step,
                  whole ? Json(ranks.best(trace.phases[phase])) : Json(), view.slots_moved - moved,
                  ranks.slots() * kLayers, view.layers_switched > first ? Json(waited) : Json()});
    }
  }
  void print() { report_.add(table_); }

 private:
  size_t steps_;
  Report& report_;
  Table table_{"Rows of the ranks, largest over mean, before and after a plan",
               {{"unit"},
                {"balancing"},
                {"phase"},
                {"heaviest expert", 1},
                {"before", 2},
                {"after", 2},
                {"a step after", 2},
                {"at best", 2},
                {"slots moved"},
                {"of slots"},
                {"steps to switch"}}};
};

}  // namespace

void measure_imbalance(const Settings& settings, Report& report) {
  report.section(
      "imbalance",
      fmt::format("{} layers of V3's experts, popularity 1/rank^{:.1f}, a drift lets {:.0f} "
                  "% of them change ranks; the balancer on virtual time",
                  kLayers, kExponent, 100 * kDrift));
  std::vector<Unit> units = {
      {"prefill 32", "tp=4,dp=8,redundant=32,ranks_per_host=8", 32},
      {"decode 320", "tp=4,dp=80,redundant=63,shared=routed,ranks_per_host=8", 4},
      {"EP144", "tp=1,dp=144,redundant=32,ranks_per_host=8", 8}};
  if (settings.quick) units.resize(1);
  BalanceLimits whole = kNever, hosts = kNever;
  whole.period = kPeriod;
  hosts.rearrange_period = kPeriod;
  Section section(settings.quick, report);
  for (const Unit& unit : units) {
    const auto layout = parallel::parse_layout(unit.layout).value();
    const Trace trace =
        make_trace({.routed_shared = layout.shared == parallel::SharedExpert::routed,
                    .tokens = settings.quick ? size_t{1024} : size_t{8192},
                    .phases = settings.quick ? size_t{2} : size_t{3},
                    .exponent = kExponent,
                    .drift = kDrift});
    section.measure(unit, "none", kNever, trace);
    // With one slot a rank nothing can be packed anew inside a host.
    if (layout.slots_per_rank(kExperts) > 1) section.measure(unit, "hosts only", hosts, trace);
    section.measure(unit, "whole", whole, trace);
  }
  section.print();
}

}  // namespace baton::bench
