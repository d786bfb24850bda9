// gateway_bench: what the gateway costs, over an engine that costs nothing: requests a second, what
// a request is delayed by, and how late the tokens of many streams are, beside a bare server's.
//
// The server runs in a process of its own, kept to one core; the clients run in this one. CPU time
// is the whole server process', while it is asked.
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <functional>

#include "base/hash/counter_rng.h"
#include "base/system/options.h"
#include "bench/gateway/bare_server.h"
#include "bench/gateway/child.h"
#include "bench/gateway/load.h"
#include "bench/gateway/pauses.h"
#include "bench/gateway/timed_engine.h"
#include "server/http/listener.h"
#include "server/loaded_model.h"
#include "server/routes/router.h"

namespace baton::bench {
namespace {

namespace asio = boost::asio;

struct Options {
  std::string model = "model/demo";
  size_t streams = 2000;
  uint32_t tokens_per_s = 10;
  double seconds = 10;
  size_t rounds = 5;
  size_t connections = 16;
};

void serve_gateway(const Options& options, uint32_t tokens_per_s, asio::io_context& io,
                   const Child::Listening& listening) {
  server::ModelOptions model_options;
  model_options.directory = options.model;
  const auto model = server::LoadedModel::load(model_options);
  if (!model) return fmt::print(stderr, "gateway_bench: {}\n", model.error().message);
  const SystemClock clock;
  Metrics metrics;
  const server::ApiKeys keys;
  server::WorkQueue work(io.get_executor(), 1, 64);
  server::ServingMetrics serving(metrics, (*model)->facts().name);
  TimedEngine engine(io, clock, tokens_per_s);
  server::Router router({io.get_executor(), **model, engine, clock, work, serving, entropy, {}},
                        keys, metrics, Log(), {});
  server::http::ListenerLimits limits;
  limits.connections_per_address_max = limits.connections_max;
  server::http::Listener listener(io.get_executor(), limits, clock, router, metrics, Log());
  if (const auto bound = listener.listen("127.0.0.1", 0); !bound)
    return fmt::print(stderr, "gateway_bench: {}\n", bound.error().message);
  listening(listener.port());
  io.run();
}

Child::Serve gateway(const Options& options, uint32_t tokens_per_s) {
  return [&options, tokens_per_s](asio::io_context& io, const Child::Listening& listening) {
    serve_gateway(options, tokens_per_s, io, listening);
  };
}

Child::Serve bare(const Options& options, size_t event_bytes, uint32_t tokens) {
  return [&options, event_bytes, tokens](asio::io_context& io, const Child::Listening& listening) {
    const SystemClock clock;
    BareServer server(io, clock, options.tokens_per_s, event_bytes, tokens);
    listening(server.port());
    io.run();
  };
}

struct Figures {
  Samples samples;
  double cpu_s = 0;
  Pauses::Total pauses;

  double cpu_us() const {  // of each sample
    return 1e6 * cpu_s / static_cast<double>(std::max<size_t>(samples.ms.size(), 1));
  }
};

Figures measure(const Child::Serve& serve, const Clock& clock,
                const std::function<Samples(uint16_t port)>& ask) {
  Figures figures;
  const Child child(serve);
  if (child.port() == 0) return figures;
  Pauses pauses(clock);
  const double before = child.cpu_s();
  figures.samples = ask(child.port());
  figures.cpu_s = child.cpu_s() - before;
  figures.pauses = pauses.stop();
  return figures;
}

void print_machine() {
  std::ifstream info("/proc/cpuinfo");
  std::string line, name = "unknown";
  while (std::getline(info, line)) {
    if (line.starts_with("model name")) name = line.substr(line.find(':') + 2);
  }
  double load = 0;
  std::ifstream("/proc/loadavg") >> load;
  fmt::print("machine: {}, {} cores, load average {:.1f} before\n", name,
             ::sysconf(_SC_NPROCESSORS_ONLN), load);
}

bool print_requests(const Options& options, size_t connections, const Clock& clock) {
  const auto span = Duration(static_cast<int64_t>(options.seconds * 1e9 / 4));
  const Figures figures = measure(gateway(options, 0), clock, [&](uint16_t port) {
    return closed_loop(port, connections, span, clock);
  });
  const Samples& samples = figures.samples;
  fmt::print(
      "whole answers, {:>3} connections: {:>8.0f} requests/s, latency p50 {:.3f} ms, p99 {:.3f} "
      "ms, {:.0f} us CPU a request, {} failed; the machine paused for {:.0f} ms\n",
      connections, static_cast<double>(samples.ms.size()) / samples.wall_s, samples.at(0.5),
      samples.at(0.99), figures.cpu_us(), samples.failed, figures.pauses.lost_ms);
  return samples.failed == 0 && !samples.ms.empty();
}

void print_round(size_t round, const char* who, const Figures& figures) {
  const Samples& samples = figures.samples;
  const Pauses::Total& pauses = figures.pauses;
  fmt::print("{:>5}  {:<8} {:>9.2f} {:>9.2f} {:>9.2f} {:>9.2f} {:>9.2f} {:>9.1f} {:>8} {:>9.0f}\n",
             round, who, samples.at(0.5), samples.at(0.99), samples.at(0.999), samples.at(1),
             figures.cpu_s / samples.wall_s, figures.cpu_us(), pauses.count, pauses.lost_ms);
}

double median(std::vector<double> of) {
  std::ranges::sort(of);
  const size_t half = of.size() / 2;
  return of.size() % 2 == 1 ? of[half] : (of[half - 1] + of[half]) / 2;
}

// Gateway and bare server in turns, so that what the machine does meets both.
bool print_streams(const Options& options, const Clock& clock) {
  const auto tokens =
      std::max(uint32_t{2}, static_cast<uint32_t>(options.seconds * options.tokens_per_s));
  const size_t wanted = options.streams * tokens;
  const auto ask = [&](uint16_t port) { return streams(port, options.streams, tokens, clock); };
  const Samples few = measure(gateway(options, options.tokens_per_s), clock, [&](uint16_t port) {
                        return streams(port, 4, tokens, clock);
                      }).samples;
  if (few.ms.empty()) return false;
  const size_t event_bytes = few.bytes / few.ms.size();
  fmt::print("\n{} streams of {} tokens/s for {} s, {} bytes a token; ms that tokens are late:\n",
             options.streams, options.tokens_per_s, options.seconds, event_bytes);
  fmt::print("{:>5}  {:<8} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>8} {:>9}\n", "round", "", "p50",
             "p99", "p99.9", "most", "cores", "us CPU", "pauses", "lost ms");
  std::array<std::vector<double>, 4> added;
  bool whole = true, real_time = true;
  for (size_t round = 1; round <= options.rounds; ++round) {
    const Figures ours = measure(gateway(options, options.tokens_per_s), clock, ask);
    print_round(round, "gateway", ours);
    const Figures theirs = measure(bare(options, event_bytes, tokens), clock, ask);
    print_round(round, "bare", theirs);
    for (const Samples* samples : {&ours.samples, &theirs.samples})
      whole = whole && samples->failed == 0 && samples->ms.size() == wanted;
    real_time = real_time && ours.pauses.real_time && theirs.pauses.real_time;
    for (size_t i = 0; const double share : {0.5, 0.99, 0.999})
      added[i++].push_back(ours.samples.at(share) - theirs.samples.at(share));
    added[3].push_back(ours.cpu_us() - theirs.cpu_us());
  }
  fmt::print(
      "added by the gateway, median of the rounds: p50 {:.2f} ms, p99 {:.2f} ms, p99.9 "
      "{:.2f} ms, {:.1f} us CPU a token\n",
      median(added[0]), median(added[1]), median(added[2]), median(added[3]));
  if (!real_time) fmt::print("pauses hold other threads' time too: no real-time priority\n");
  if (!whole) fmt::print("tokens are missing\n");
  return whole;
}

int run(const Options& options) {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  if (::sysconf(_SC_NPROCESSORS_ONLN) > 1) keep_to_core(1);  // the server has core 0
  print_machine();
  const SystemClock clock;
  bool good = print_requests(options, 1, clock);
  good = print_requests(options, options.connections, clock) && good;
  return print_streams(options, clock) && good ? 0 : 1;
}

}  // namespace
}  // namespace baton::bench

int main(int argc, char** argv) {
  baton::bench::Options options;
  CLI::App app("gateway_bench: what the gateway costs, over an engine that costs nothing.");
  app.add_option("--model", options.model, "Folder of a model, for its tokenizer and template")
      ->capture_default_str();
  app.add_option("--streams", options.streams, "Streams at once")->capture_default_str();
  app.add_option("--tokens-per-s", options.tokens_per_s, "Of each stream")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--seconds", options.seconds,
                 "Of the streams, each time; whole answers take a quarter")
      ->capture_default_str();
  app.add_option("--rounds", options.rounds, "Of the streams, each with both servers")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--connections", options.connections, "Of the run that counts requests")
      ->capture_default_str();
  if (const auto status = baton::parse_options(app, argc, argv)) return *status;
  return baton::bench::run(options);
}
