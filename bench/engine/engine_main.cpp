// engine_bench: prefill by prompt length, decode by batch and context, both by depth, with drafts
// and beside a busy process, in this process (measurements.h). `--json` for tools.

#include <chrono>
#include <cstdio>

#include "base/system/cpu.h"
#include "base/system/options.h"
#include "bench/engine/measurements.h"
#include "model/checkpoint/packed/mode_options.h"
#include "model/checkpoint/packed/numeric_mode.h"

namespace baton::bench {
namespace {

using Seconds = std::chrono::duration<double>;

constexpr size_t kStreamContext = 1024;  // of what is measured at one context only

struct Options {
  std::string model;
  std::string mode = "fast";
  std::string pack_dir;
  unsigned threads = cpu_count();
  std::vector<size_t> prompts = {128, 256, 512, 1024, 2048, 4096, 8192};
  std::vector<size_t> batches = {1, 2, 4, 8, 16, 32, 64};
  std::vector<size_t> contexts = {1024, 4096, 16384, 32768};
  std::vector<size_t> depths;
  std::vector<size_t> drafts;  // batches
  double accepted = 0.85;
  bool busy = false;
  MeasurementOptions measured;
  kernels::Isa isa = kernels::best_kernels().isa;
  bool json = false;
};

Result<void> run(const Options& options) {
  BATON_TRY(model, checkpoint::Checkpoint::open(options.model));
  BATON_TRY(mode, checkpoint::find_numeric_mode(options.mode));
  const auto& kernels = *kernels::kernels_for(options.isa);
  const SystemClock clock;
  ThreadPool pool(options.threads);
  PeakMeter meter(pool, clock);
  const Peaks peaks = meter.best(kernels);
  const std::string machine = describe_machine(kernels, options.threads, peaks);
  DriverOptions setup;
  setup.runner.mode = options.mode;
  setup.runner.pack_dir = options.pack_dir;
  setup.runner.pack_progress = ProgressBar::best_style();
  setup.runner.isa = static_cast<unsigned>(options.isa);
  setup.runner.layout.threads = options.threads;
  setup.runner.rows_max = options.measured.chunk;
  setup.runner.sequences_max = 64;
  setup.tokens_max = options.measured.tokens_max + 64;
  const Instant began = clock.now();
  BATON_TRY(driver, Driver::create(model, setup));
  const double loaded = Seconds(clock.now() - began).count();
  if (!options.json) {
    fmt::print("{}{}, mode {}; loaded in {:.2f} s\n", machine, options.model, options.mode, loaded);
  }
  Measurements measurements(options.measured, mode, kernels, *driver, meter);
  measurements.prefill(options.prompts);
  measurements.decode(options.batches, options.contexts);
  measurements.depth(options.depths);
  if (!options.drafts.empty() && !driver->runner().has_mtp()) {
    return fail(ErrorCode::invalid_argument, "{} has no MTP layer to draft with", options.model);
  }
  measurements.drafts(options.drafts, kStreamContext, options.accepted);
  if (options.busy) measurements.beside_a_busy_process(kStreamContext);
  if (options.json) {
    nlohmann::ordered_json all = {{"machine", machine},
                                  {"mode", options.mode},
                                  {"threads", options.threads},
                                  {"load_s", loaded},
                                  {"int8_ops", peaks.int8_ops},
                                  {"fp32_flops", peaks.fp32_flops},
                                  {"read_bytes", peaks.read_bytes}};
    all.update(measurements.json());
    fmt::print("{}\n", all.dump(2));
  }
  return {};
}

std::map<std::string, kernels::Isa> paths() {
  std::map<std::string, kernels::Isa> paths;
  for (unsigned i = 0; i < kernels::kIsas; ++i) {
    const auto isa = static_cast<kernels::Isa>(i);
    if (kernels::kernels_for(isa) != nullptr) paths.emplace(to_string(isa), isa);
  }
  return paths;
}

int main(int argc, char** argv) {
  CLI::App app("Prefill and decode rates of a model in this process, beside their limits.");
  Options o;
  app.add_option("model", o.model, "folder of the model")->required();
  checkpoint::add_mode_options(app, o.mode);
  app.add_option("--pack-dir", o.pack_dir, "folder of packed weights [the model's]");
  app.add_option("--threads", o.threads, "compute threads")->capture_default_str();
  app.add_option("--chunk", o.measured.chunk, "tokens of a prefill step")->capture_default_str();
  app.add_option("--prompts", o.prompts, "prompt lengths; 0: none")->delimiter(',');
  app.add_option("--batches", o.batches, "decode batches")->delimiter(',');
  app.add_option("--contexts", o.contexts, "decode contexts; 0: none")->delimiter(',');
  app.add_option("--depths", o.depths, "depths at which one chunk and one step are measured [none]")
      ->delimiter(',');
  app.add_option("--drafts", o.drafts, "batches that decode with MTP drafts and without [none]")
      ->delimiter(',');
  app.add_option("--accepted", o.accepted, "share of those drafts that is right")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  app.add_flag("--busy", o.busy, "decode beside a busy process, too");
  app.add_option("--tokens-max", o.measured.tokens_max, "of all sequences together")
      ->capture_default_str();
  app.add_option("--tries", o.measured.tries, "of each figure, a median")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--steps", o.measured.steps, "decode steps of a try, a median")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--isa", o.isa, "path of the kernels, one that this processor has")
      ->transform(CLI::Transformer(paths()))
      ->default_str(to_string(o.isa));
  app.add_flag("--json", o.json, "print one JSON object");
  if (const auto status = parse_options(app, argc, argv)) return *status;
  std::erase(o.prompts, 0);
  std::erase(o.contexts, 0);
  o.measured.quiet = o.json;
  const auto done = run(o);
  if (done) return 0;
  fmt::print(stderr, "engine_bench: {}\n", done.error().message);
  return 1;
}

}  // namespace
}  // namespace baton::bench

int main(int argc, char** argv) { return baton::bench::main(argc, argv); }
