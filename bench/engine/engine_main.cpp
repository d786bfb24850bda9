// engine_bench: prefill by prompt length and decode by batch and context, in this process, each
// figure beside its limit on this machine. `--json` for tools.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/system/cpu.h"
#include "base/system/options.h"
#include "bench/engine/cost.h"
#include "bench/engine/driver.h"
#include "model/checkpoint/packed/mode_options.h"
#include "model/checkpoint/packed/numeric_mode.h"

namespace baton::bench {
namespace {

using Seconds = std::chrono::duration<double>;

struct Options {
  std::string model;
  std::string mode = "fast";
  std::string pack_dir;
  unsigned threads = cpu_count();
  uint32_t chunk = 512;
  std::vector<size_t> prompts = {128, 256, 512, 1024, 2048, 4096, 8192};
  std::vector<size_t> batches = {1, 2, 4, 8, 16, 32, 64};
  std::vector<size_t> contexts = {1024, 4096, 16384, 32768};
  size_t tokens_max = 131072;  // batches and contexts beyond this are left out
  size_t steps = 16;
  size_t tries = 3;
  bool json = false;
};

class Bench {
 public:
  Bench(const Options& options, const checkpoint::NumericMode& mode, Driver& driver,
        const Peaks& peaks)
      : o_(options), mode_(mode), driver_(driver), peaks_(peaks) {}

  void run_prefill() {
    say("\nprefill, chunks of {} tokens\n  tokens    tok/s    limit    share\n", o_.chunk);
    for (const size_t tokens : o_.prompts) {
      if (tokens > o_.tokens_max) continue;
      const double took = best([&] {
        Stream stream = driver_.open_random(tokens, tokens + 1, 0);
        const double seconds = time([&] { driver_.prefill(stream); });
        driver_.close(stream);
        return seconds;
      });
      const auto n = static_cast<double>(tokens);
      const double limit =
          prefill_seconds(prefill_cost(driver_.config(), mode_, tokens, o_.chunk), peaks_);
      say("{:8} {:8.1f} {:8.1f} {:7.0f} %\n", tokens, n / took, n / limit, 100 * limit / took);
      json_["prefill"].push_back({{"tokens", tokens}, {"tok_s", n / took}, {"limit", n / limit}});
    }
  }

  void run_decode() {
    say("\ndecode\n   batch  context    tok/s    limit    share    GB/s\n");
    for (const size_t context : o_.contexts) {
      for (const size_t batch : o_.batches) {
        if (batch * (context + o_.steps + 8) <= o_.tokens_max) decode(batch, context);
      }
    }
  }

  const nlohmann::ordered_json& json() const { return json_; }

 private:
  void decode(size_t batch, size_t context) {
    std::vector<Stream> streams;
    std::vector<Stream*> step;
    for (size_t i = 0; i < batch; ++i) {
      streams.push_back(driver_.open_random(i, context, o_.steps + 8));
      driver_.pretend_prefill(streams.back(), i);
    }
    for (Stream& stream : streams) step.push_back(&stream);
    for (int warm = 0; warm < 2; ++warm) driver_.decode(step);
    std::vector<double> took;
    for (size_t s = 0; s < o_.steps; ++s) took.push_back(time([&] { driver_.decode(step); }));
    for (Stream& stream : streams) driver_.close(stream);
    std::ranges::nth_element(took, took.begin() + static_cast<ptrdiff_t>(took.size() / 2));
    const double median = took[took.size() / 2];
    const Cost cost = decode_cost(driver_.config(), mode_, batch, context);
    const double limit = decode_seconds(cost, peaks_);
    const auto rows = static_cast<double>(batch);
    say("{:8} {:8} {:8.1f} {:8.1f} {:7.0f} % {:7.1f}\n", batch, context, rows / median,
        rows / limit, 100 * limit / median, cost.bytes / median * 1e-9);
    json_["decode"].push_back({{"batch", batch},
                               {"context", context},
                               {"tok_s", rows / median},
                               {"limit", rows / limit},
                               {"gb_s", cost.bytes / median * 1e-9}});
  }

  template <class Body>
  double time(Body&& body) const {
    const Instant began = clock_.now();
    body();
    return Seconds(clock_.now() - began).count();
  }
  template <class Body>
  double best(Body&& body) const {
    double least = body();
    for (size_t t = 1; t < o_.tries; ++t) least = std::min(least, body());
    return least;
  }
  template <class... Args>
  void say(fmt::format_string<Args...> text, Args&&... args) const {
    if (o_.json) return;
    fmt::print(text, std::forward<Args>(args)...);
    std::fflush(stdout);
  }

  const Options& o_;
  checkpoint::NumericMode mode_;
  Driver& driver_;
  const Peaks& peaks_;
  SystemClock clock_;
  nlohmann::ordered_json json_;
};

Result<void> run(const Options& options) {
  BATON_TRY(model, checkpoint::Checkpoint::open(options.model));
  const auto& kernels = kernels::best_kernels();
  Peaks peaks;
  {
    ThreadPool pool(options.threads);
    peaks = measure_peaks(kernels, pool, SystemClock());
  }
  const std::string machine = describe_machine(kernels, options.threads, peaks);
  DriverOptions setup;
  setup.runner.mode = options.mode;
  setup.runner.pack_dir = options.pack_dir;
  setup.runner.pack_progress = ProgressBar::best_style();
  setup.runner.layout.threads = options.threads;
  setup.runner.rows_max = options.chunk;
  setup.runner.sequences_max = 64;
  setup.tokens_max = options.tokens_max + 64;
  const SystemClock clock;
  const Instant began = clock.now();
  BATON_TRY(driver, Driver::create(model, setup));
  const double loaded = Seconds(clock.now() - began).count();
  if (!options.json) {
    fmt::print("{}{}, mode {}; loaded in {:.2f} s\n", machine, options.model, options.mode, loaded);
  }
  BATON_TRY(mode, checkpoint::find_numeric_mode(options.mode));
  Bench bench(options, mode, *driver, peaks);
  bench.run_prefill();
  bench.run_decode();
  if (options.json) {
    nlohmann::ordered_json all = {{"machine", machine},
                                  {"mode", options.mode},
                                  {"threads", options.threads},
                                  {"load_s", loaded},
                                  {"int8_ops", peaks.int8_ops},
                                  {"fp32_flops", peaks.fp32_flops},
                                  {"read_bytes", peaks.read_bytes}};
    all.update(bench.json());
    fmt::print("{}\n", all.dump(2));
  }
  return {};
}

int main(int argc, char** argv) {
  CLI::App app("Prefill and decode rates of a model in this process, beside their limits.");
  Options o;
  app.add_option("model", o.model, "folder of the model")->required();
  checkpoint::add_mode_options(app, o.mode);
  app.add_option("--pack-dir", o.pack_dir, "folder of packed weights [the model's]");
  app.add_option("--threads", o.threads, "compute threads")->capture_default_str();
  app.add_option("--chunk", o.chunk, "tokens of a prefill step")->capture_default_str();
  app.add_option("--prompts", o.prompts, "prompt lengths; 0: none")->delimiter(',');
  app.add_option("--batches", o.batches, "decode batches")->delimiter(',');
  app.add_option("--contexts", o.contexts, "decode contexts; 0: none")->delimiter(',');
  app.add_option("--tokens-max", o.tokens_max, "of all sequences together")->capture_default_str();
  app.add_option("--steps", o.steps, "decode steps of each figure, a median")
      ->capture_default_str();
  app.add_option("--tries", o.tries, "prefills of each figure, the best")->capture_default_str();
  app.add_flag("--json", o.json, "print one JSON object");
  if (const auto status = parse_options(app, argc, argv)) return *status;
  std::erase(o.prompts, 0);
  std::erase(o.contexts, 0);
  const auto done = run(o);
  if (done) return 0;
  fmt::print(stderr, "engine_bench: {}\n", done.error().message);
  return 1;
}

}  // namespace
}  // namespace baton::bench

int main(int argc, char** argv) { return baton::bench::main(argc, argv); }
