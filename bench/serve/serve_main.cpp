// baton-bench: what a served model does under load, over HTTP.
#include <fmt/format.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/observe/progress_bar.h"
#include "base/system/options.h"
#include "bench/serve/load.h"
#include "model/checkpoint/strict_json.h"

namespace baton::bench {
namespace {

constexpr size_t kTraceBytesMax = size_t{1} << 30;

struct Options {
  std::string url = "http://127.0.0.1:8000";
  std::string ca_file;
  LoadOptions load;
  RandomArrivals random;
  TraceArrivals part;
  Objective objective;
  std::string trace, json_file;
  uint32_t warmup = 1;
  double timeout_s = 600;
};

Result<std::vector<Arrival>> arrivals_of(const Options& o) {
  if (o.trace.empty()) return random_arrivals(o.random);
  BATON_TRY(text, checkpoint::read_text_file(o.trace, kTraceBytesMax));
  TraceArrivals part = o.part;
  part.requests = o.random.requests;
  return trace_arrivals(text, part);
}

// Requests that are sent before the measured ones, one after the other.
Result<void> warm_up(const Options& o, const server::client::Server& server,
                     const std::vector<uint32_t>& vocabulary, const Clock& clock) {
  RandomArrivals few{.requests = o.warmup, .rate = 0, .input_tokens = 32, .output_tokens = 4};
  few.seed = o.random.seed + 0x5eed;
  LoadOptions one = o.load;
  one.concurrency_max = 1;
  for (const Sample& s : run_load(server, one, random_arrivals(few), vocabulary, clock, [] {})) {
    if (!s.error.empty())
      return fail(ErrorCode::unavailable, "a first request failed: {}", s.error);
  }
  return {};
}

Result<int> run(Options o) {
  o.load.timeout = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(o.timeout_s));
  BATON_TRY(url, server::client::Url::parse(o.url));
  BATON_TRY(server, server::client::Server::find(url, o.ca_file));
  BATON_TRY(arrivals, arrivals_of(o));
  if (arrivals.empty()) return fail(ErrorCode::invalid_argument, "there are no requests to send");
  BATON_TRY(vocabulary, ask_vocabulary(server, o.load));
  const SystemClock clock;
  BATON_CHECKED(warm_up(o, server, vocabulary, clock));
  std::vector<Sample> samples;
  {
    ProgressBar bar("requests", arrivals.size(), ProgressBar::best_style());
    samples = run_load(server, o.load, arrivals, vocabulary, clock, [&] { bar.add(1); });
  }
  const Summary summary = summarize(samples, o.objective);
  fmt::print("{}", to_text(summary));
  if (!o.json_file.empty()) {
    std::ofstream(o.json_file) << to_json(summary).dump(2) << '\n';
  }
  return summary.failed == 0 ? 0 : 1;
}

void add_options(CLI::App& app, Options& o) {
  app.add_option("--url", o.url, "where the server is")->capture_default_str();
  app.add_option("--ca-cert", o.ca_file,
                 "certificates (PEM) that are trusted besides the system's, for https");
  app.add_option("--model", o.load.model, "name of the model [the server's only one]");
  app.add_option("--api-key", o.load.api_key, "key of the server; better as BATON_API_KEY");
  app.add_option("--requests", o.random.requests, "requests to send; of a trace 0: all")
      ->capture_default_str();
  app.add_option("--rate", o.random.rate, "requests a second, a Poisson process; 0: all at once")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--input-len", o.random.input_tokens, "tokens of a prompt")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--output-len", o.random.output_tokens, "tokens of an answer")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--range", o.random.range, "lengths are uniform in (1 - range, 1 + range) of that")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  app.add_option("--prefix-len", o.random.prefix_tokens,
                 "of a prompt's tokens, so many are the same in all")
      ->capture_default_str();
  app.add_option("--trace", o.trace,
                 "arrivals and lengths from this file instead: a JSON object a line, with "
                 "timestamp, input_length, output_length, hash_ids");
  app.add_option("--trace-divide", o.part.divide,
                 "divide a trace's lengths and blocks by this divisor of 512")
      ->capture_default_str();
  app.add_option("--speed", o.part.speed, "a trace's time passes so much faster")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--max-concurrency", o.load.concurrency_max, "requests under way at most")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--timeout", o.timeout_s, "seconds that a request may take")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--temperature", o.load.temperature, "sampling temperature; 0 is greedy")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--warmup", o.warmup, "requests before the measured ones")->capture_default_str();
  app.add_option("--seed", o.random.seed, "of lengths, times and prompts")->capture_default_str();
  app.add_option("--slo-ttft-ms", o.objective.ttft_ms_max, "goodput: time to first token at most");
  app.add_option("--slo-tpot-ms", o.objective.tpot_ms_max,
                 "goodput: time per output token at most");
  app.add_option("--slo-e2el-ms", o.objective.e2el_ms_max, "goodput: whole request at most");
  app.add_option("--json", o.json_file, "also write the figures to this file");
}

int main(int argc, char** argv) {
  CLI::App app(
      "Sends requests to a served model, at times fixed beforehand, and prints latencies and "
      "rates.\n"
      "Prompts are token ids drawn from the server's own tokens; answers ignore the end token.");
  Options o;
  add_options(app, o);
  if (const auto status = parse_options(app, argc, argv)) return *status;
  const auto status = run(std::move(o));
  if (status) return *status;
  fmt::print(stderr, "baton-bench: {}\n", status.error().message);
  return 2;
}

}  // namespace
}  // namespace baton::bench

int main(int argc, char** argv) { return baton::bench::main(argc, argv); }
