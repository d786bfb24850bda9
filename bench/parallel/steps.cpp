// Steps: how long they take while experts move behind them.
#include <algorithm>
#include <cmath>
#include <thread>

#include "bench/parallel/sections.h"
#include "bench/parallel/tools/timeline.h"
#include "bench/parallel/tools/toy.h"

namespace baton::bench {

namespace {

constexpr const char* kLayout = "tp=1,dp=2,redundant=8";  // as many ranks as the least machine has
constexpr double kMark = 2;      // no step may take more than so many median steps
constexpr double kNoise = 0.01;  // of the steps: what is no more than chance

double percentile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  return values[static_cast<size_t>(share * static_cast<double>(values.size() - 1))];
}

void add_row(Table& table, const char* name, const std::vector<double>& all, double median_ms) {
  const double largest = *std::max_element(all.begin(), all.end());
  const auto over = std::ranges::count_if(all, [&](double ms) { return ms > kMark * median_ms; });
  table.add(
      {name, all.size(), median(all), percentile(all, 0.99), largest, largest / median_ms, over});
}

}  // namespace

void measure_steps(const Settings& settings, Report& report) {
  report.section("steps",
                 fmt::format("{} as threads; decode, every other hundred steps with experts on "
                             "their way",
                             kLayout));
  const Toy toy(settings.quick);
  const uint32_t block = settings.quick ? 20 : 100;
  const uint32_t blocks = settings.quick ? 2 : 10;
  constexpr uint32_t kGroups = 2, kSequences = 8;
  model::RunnerOptions options{.layout = parallel::parse_layout(kLayout).value(), .rows_max = 64};
  options.balance.report_steps = 2;
  options.balance.window = 4;  // so that loads change from plan to plan
  options.balance.gain_min = 0;
  testing::Harness harness(toy.checkpoint(), options,
                           pages_of(kGroups * kSequences, block * blocks + 1));
  Decoding decoding(harness, kGroups, kSequences, block * blocks + 1);
  model::TeamRunner& runner = harness.runner();
  const SystemClock clock;
  std::vector<double> still, moving;
  for (uint32_t b = 0; b < blocks; ++b) {
    for (uint32_t s = 0; s < block; ++s) {
      if (b % 2 == 1 && runner.settled()) runner.rebalance();
      const bool settled = runner.settled();
      const Instant begun = clock.now();
      decoding.step();
      (settled ? still : moving).push_back(to_seconds(clock.now() - begun) * 1e3);
    }
  }
  // What is on its way comes, however busy the machine is.
  while (!runner.settled()) {
    runner.step({}, harness.cache(), {});
    std::this_thread::yield();
  }
  const auto view = runner.balance();
  Table table(fmt::format("Steps in ms; {} layers switched, {} slots moved; over: of the median of "
                          "steps without moves, which {:.0f} is the mark of",
                          view.layers_switched, view.slots_moved, kMark),
              {{"steps"},
               {"count"},
               {"median", 2},
               {"99 %", 2},
               {"largest", 2},
               {"largest over", 2},
               {"above the mark"}});
  const double median_ms = median(still);
  add_row(table, "nothing moves", still, median_ms);
  add_row(table, "experts move", moving, median_ms);
  report.add(table);
  const auto above = [&](const std::vector<double>& steps) {
    const auto over =
        std::ranges::count_if(steps, [&](double ms) { return ms > kMark * median_ms; });
    return static_cast<double>(over) / static_cast<double>(steps.size());
  };
  if (!settings.quick) {
    // On a machine with other work some steps are above it anyway; three deviations of the
    // difference of two such shares.
    const double share = above(still);
    const double deviation = std::sqrt(
        share * (1 - share) *
        (1.0 / static_cast<double>(still.size()) + 1.0 / static_cast<double>(moving.size())));
    report.expect(above(moving) <= share + 3 * deviation + kNoise,
                  "steps above the mark are no more while experts move than while nothing does");
  }
  report.expect(view.slots_moved > 0, "experts move while steps go on");
  report.expect(view.moves_failed == 0, "no expert fails to come");
}

}  // namespace baton::bench
