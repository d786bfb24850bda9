// bench_parallel: what an instance of many ranks costs and gains, measured: traffic, imbalance,
// overlap, loading, steps while experts move. README.md says what each section does.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cstdio>
#include <fstream>

#include "base/system/options.h"
#include "bench/parallel/sections.h"

namespace baton::bench {
namespace {

struct Section {
  const char* name;
  void (*measure)(const Settings&, Report&);
};

constexpr std::array<Section, 5> kSections = {{{"traffic", measure_traffic},
                                               {"imbalance", measure_imbalance},
                                               {"overlap", measure_overlap},
                                               {"loading", measure_loading},
                                               {"steps", measure_steps}}};

int run(int argc, char** argv) {
  Settings settings{.model = "model/demo"};
  std::string wanted = "all";
  std::string json;
  CLI::App app("Measures what an instance of many ranks costs and gains.");
  app.add_option("--section", wanted, "what to measure: all or one of its sections")
      ->check(CLI::IsMember({"all", "traffic", "imbalance", "overlap", "loading", "steps"}))
      ->capture_default_str();
  app.add_option("--model", settings.model, "folder of the model that the ranks load")
      ->type_name("DIR")
      ->capture_default_str();
  app.add_option("--json", json, "file for the same figures as JSON")->type_name("FILE");
  app.add_flag("--quick", settings.quick, "tiny sizes: only what must hold is of interest");
  if (const auto status = parse_options(app, argc, argv)) return *status;

  Report report;
  report.machine();
  for (const Section& section : kSections) {
    if (wanted == "all" || wanted == section.name) section.measure(settings, report);
  }
  for (const std::string& sentence : report.failures()) {
    std::fprintf(stderr, "bench_parallel: %s\n", sentence.c_str());
  }
  if (!json.empty()) {
    std::ofstream file(json);
    file << report.json().dump(2) << "\n";
    if (!file) {
      std::fprintf(stderr, "bench_parallel: %s can't be written\n", json.c_str());
      return 1;
    }
  }
  return report.failures().empty() ? 0 : 1;
}

}  // namespace
}  // namespace baton::bench

int main(int argc, char** argv) { return baton::bench::run(argc, argv); }
