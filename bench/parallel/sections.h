// What bench_parallel measures, each section a function of its own; README.md says what and how.
//
// Thread safety: called one after another by main; threads that a section starts end in it.
#pragma once

#include <filesystem>

#include "bench/parallel/tools/report.h"

namespace baton::bench {

struct Settings {
  bool quick = false;  // sizes at which only what must hold is of interest
  std::filesystem::path model;
};

void measure_traffic(const Settings& settings, Report& report);
void measure_imbalance(const Settings& settings, Report& report);
void measure_overlap(const Settings& settings, Report& report);
void measure_loading(const Settings& settings, Report& report);
void measure_steps(const Settings& settings, Report& report);

}  // namespace baton::bench
