// Overlap: what of the exchange between two hosts hides behind compute, measured and by the model.
#include <algorithm>
#include <array>

#include "base/result.h"
#include "bench/parallel/sections.h"
#include "bench/parallel/tools/timeline.h"
#include "bench/parallel/tools/toy.h"
#include "parallel/exchange/delayed_port.h"

namespace baton::bench {

namespace {

constexpr parallel::Tag kExchangeTag = 16;  // of layers::Experts, and those after it
constexpr uint32_t kHosts = 2;
constexpr uint32_t kWarmUpSteps = 2;

struct Run {
  std::vector<Timeline> timelines;  // [ranks]
  std::vector<Digest> digests;
};

class Instances {
 public:
  explicit Instances(bool quick)
      : toy_(quick), sequences_(quick ? 4 : 64), steps_(quick ? 2 : 14) {}

  // Two hosts of one rank each, every message between them `delay` on its way.
  Run run(bool overlap, Duration delay) const {
    Run run{.timelines = std::vector<Timeline>(kHosts)};
    const auto wrap = [&](std::unique_ptr<parallel::Port> port) {
      Timeline& to = run.timelines[port->rank()];
      return recording_port(delayed_port(std::move(port), 1, delay, clock_), clock_, to);
    };
    model::RunnerOptions options{.rows_max = 64};
    options.layout = {.dp = kHosts, .overlap = overlap, .ranks_per_host = 1};
    {
      const uint32_t steps = steps_ + kWarmUpSteps;
      testing::Harness harness(toy_.checkpoint(), options, pages_of(kHosts * sequences_, steps),
                               wrap);
      Decoding decoding(harness, kHosts, sequences_, steps);
      for (uint32_t s = 0; s < steps; ++s) decoding.step();
      run.digests = decoding.digests();
    }  // its ranks have ended: the timelines are whole
    return run;
  }
  void add_steps(std::span<const Timeline> timelines, StepTimes& to) const {
    baton::bench::add_steps(timelines, kExchangeTag, steps_, to);
  }

 private:
  SystemClock clock_;
  Toy toy_;
  uint32_t sequences_;  // of each rank
  uint32_t steps_;
};

// Of one delay: without overlap and with it.
struct Times {
  std::array<StepTimes, 2> measured, model;
};

// Of what ranks wait for the delay's sake without overlap, the share that they do not with it.
double hidden(const std::array<StepTimes, 2>& times, const std::array<StepTimes, 2>& still) {
  const auto exposed = [&](bool on) { return times[on].waited() - still[on].waited(); };
  return exposed(false) <= 0 ? 0 : 100 * (1 - exposed(true) / exposed(false));
}

Table table_of(std::span<const double> delays, std::span<const Times> all) {
  Table table("Median times of a step in ms, measured and by the model of the two timelines",
              {{"delay", 1},
               {"overlap"},
               {"messages"},
               {"step", 2},
               {"step model", 2},
               {"waited", 2},
               {"waited model", 2},
               {"hidden %"},
               {"hidden model %"}});
  for (size_t d = 0; d < delays.size(); ++d) {
    const auto& [measured, model] = all[d];
    for (const bool on : {false, true}) {
      const bool known = on && d > 0;
      table.add({delays[d], on ? "on" : "off", measured[on].messages(), measured[on].step(),
                 model[on].step(), measured[on].waited(), model[on].waited(),
                 known ? Json(hidden(measured, all[0].measured)) : Json(),
                 known ? Json(hidden(model, all[0].model)) : Json()});
    }
  }
  return table;
}

}  // namespace

void measure_overlap(const Settings& settings, Report& report) {
  report.section("overlap",
                 "two hosts of one rank, 64 sequences each decode; 4 layers of experts; waits are "
                 "those for rows and results of experts");
  const Instances instances(settings.quick);
  const std::vector<double> delays =
      settings.quick ? std::vector<double>{0, 0.5} : std::vector<double>{0, 0.5, 1, 2, 4};
  std::vector<Times> all(delays.size());
  std::vector<Digest> expected;
  // In turns, so that whatever else the machine does comes to all alike.
  for (int round = 0; round < (settings.quick ? 1 : 4); ++round) {
    std::array<std::vector<Timeline>, 2> still;  // without delay
    for (size_t d = 0; d < delays.size(); ++d) {
      const auto delay = std::chrono::duration_cast<Duration>(
          std::chrono::duration<double, std::milli>(delays[d]));
      for (const bool on : {false, true}) {
        Run run = instances.run(on, delay);
        if (expected.empty()) expected = run.digests;
        report.expect(run.digests == expected, "delays and overlap leave every logit as it is");
        instances.add_steps(run.timelines, all[d].measured[on]);
        if (d == 0) still[on] = std::move(run.timelines);
        instances.add_steps(replay(still[on], delay), all[d].model[on]);
      }
    }
  }
  report.add(table_of(delays, all));
  if (settings.quick) return;  // times of one round say little
  for (size_t d = 1; d < delays.size(); ++d) {
    report.expect(all[d].measured[true].waited() < all[d].measured[false].waited(),
                  "ranks wait less where exchanges overlap with compute");
  }
}

}  // namespace baton::bench
