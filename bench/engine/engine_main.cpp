// engine_bench: prefill by prompt length and decode by batch and context, in this process, each
// figure beside its limit on this machine: what the operations or bytes take at least at the peaks
// measured just before and just after. Medians of some tries. `--json` for tools.

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
  size_t steps = 8;
  size_t tries = 5;
  kernels::Isa isa = kernels::best_kernels().isa;
  bool json = false;
};

class Bench {
 public:
  Bench(const Options& options, const checkpoint::NumericMode& mode,
        const kernels::Kernels& kernels, Driver& driver, PeakMeter& meter)
      : o_(options), mode_(mode), kernels_(kernels), driver_(driver), meter_(meter) {}

  void run_prefill() {
    say("\nprefill, chunks of {} tokens\n  tokens    tok/s    limit    share\n", o_.chunk);
    for (const size_t tokens : o_.prompts) {
      if (tokens > o_.tokens_max) continue;
      const Cost cost = prefill_cost(driver_.config(), mode_, tokens, o_.chunk);
      const Figure figure = median(
          o_.tries,
          [&] {
            Stream stream = driver_.open_random(tokens, tokens + 1, 0);
            const double seconds = time([&] { driver_.prefill(stream); });
            driver_.close(stream);
            return seconds;
          },
          [&](const Peaks& peaks) { return prefill_seconds(cost, peaks); });
      const double rate = static_cast<double>(tokens) / figure.seconds;
      say("{:8} {:8.1f} {:8.1f} {:7.0f} %\n", tokens, rate, rate / figure.share,
          100 * figure.share);
      json_["prefill"].push_back({{"tokens", tokens},
                                  {"tok_s", rate},
                                  {"limit", rate / figure.share},
                                  {"share", figure.share}});
    }
  }

  void run_decode() {
    say("\ndecode\n   batch  context    tok/s    limit    share    GB/s\n");
    for (const size_t context : o_.contexts) {
      for (const size_t batch : o_.batches) {
        if (batch * (context + steps() + 8) <= o_.tokens_max) decode(batch, context);
      }
    }
  }

  const nlohmann::ordered_json& json() const { return json_; }

 private:
  struct Figure {
    double seconds;
    double share;  // of the limit
  };

  size_t steps() const { return o_.tries * o_.steps; }

  void decode(size_t batch, size_t context) {
    std::vector<Stream> streams;
    std::vector<Stream*> step;
    for (size_t i = 0; i < batch; ++i) {
      streams.push_back(driver_.open_random(i, context, steps() + 8));
      driver_.pretend_prefill(streams.back(), i);
    }
    for (Stream& stream : streams) step.push_back(&stream);
    for (int warm = 0; warm < 2; ++warm) driver_.decode(step);
    const Cost cost = decode_cost(driver_.config(), mode_, batch, context);
    const Figure figure = median(
        o_.tries,
        [&] {
          std::vector<double> took;
          for (size_t s = 0; s < o_.steps; ++s) took.push_back(time([&] { driver_.decode(step); }));
          std::ranges::sort(took);
          return took[took.size() / 2];
        },
        [&](const Peaks& peaks) { return decode_seconds(cost, peaks); });
    for (Stream& stream : streams) driver_.close(stream);
    const double rate = static_cast<double>(batch) / figure.seconds;
    const double read = cost.bytes / figure.seconds * 1e-9;
    say("{:8} {:8} {:8.1f} {:8.1f} {:7.0f} % {:7.1f}\n", batch, context, rate, rate / figure.share,
        100 * figure.share, read);
    json_["decode"].push_back({{"batch", batch},
                               {"context", context},
                               {"tok_s", rate},
                               {"limit", rate / figure.share},
                               {"share", figure.share},
                               {"gb_s", read}});
  }

  // Medians of the time and of the share that it is of the limit by the peaks around each try.
  template <class Body, class Limit>
  Figure median(size_t tries, Body&& body, Limit&& limit) {
    std::vector<double> seconds, shares;
    Peaks before = meter_.present(kernels_);
    for (size_t t = 0; t < tries; ++t) {
      seconds.push_back(body());
      const Peaks after = meter_.present(kernels_);
      shares.push_back((limit(before) + limit(after)) / 2 / seconds.back());
      before = after;
    }
    std::ranges::sort(seconds);
    std::ranges::sort(shares);
    return {seconds[tries / 2], shares[tries / 2]};
  }

  template <class Body>
  double time(Body&& body) const {
    const Instant began = clock_.now();
    body();
    return Seconds(clock_.now() - began).count();
  }
  template <class... Args>
  void say(fmt::format_string<Args...> text, Args&&... args) const {
    if (o_.json) return;
    fmt::print(text, std::forward<Args>(args)...);
    std::fflush(stdout);
  }

  const Options& o_;
  checkpoint::NumericMode mode_;
  const kernels::Kernels& kernels_;
  Driver& driver_;
  PeakMeter& meter_;
  SystemClock clock_;
  nlohmann::ordered_json json_;
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
  setup.runner.rows_max = options.chunk;
  setup.runner.sequences_max = 64;
  setup.tokens_max = options.tokens_max + 64;
  const Instant began = clock.now();
  BATON_TRY(driver, Driver::create(model, setup));
  const double loaded = Seconds(clock.now() - began).count();
  if (!options.json) {
    fmt::print("{}{}, mode {}; loaded in {:.2f} s\n", machine, options.model, options.mode, loaded);
  }
  Bench bench(options, mode, kernels, *driver, meter);
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
  app.add_option("--chunk", o.chunk, "tokens of a prefill step")->capture_default_str();
  app.add_option("--prompts", o.prompts, "prompt lengths; 0: none")->delimiter(',');
  app.add_option("--batches", o.batches, "decode batches")->delimiter(',');
  app.add_option("--contexts", o.contexts, "decode contexts; 0: none")->delimiter(',');
  app.add_option("--tokens-max", o.tokens_max, "of all sequences together")->capture_default_str();
  app.add_option("--tries", o.tries, "of each figure, a median")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--steps", o.steps, "decode steps of a try, a median")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--isa", o.isa, "path of the kernels, one that this processor has")
      ->transform(CLI::Transformer(paths()))
      ->default_str(to_string(o.isa));
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
