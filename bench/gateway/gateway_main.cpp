// gateway_bench: what the gateway costs, over an engine that costs nothing: requests a second, what
// a request is delayed by, and how late the tokens of many streams are.
//
// The gateway runs in a process of its own, kept to one core; the clients run in this one. CPU time
// is the whole gateway process', start included.
#include <sched.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/read.hpp>
#include <fstream>
#include <functional>

#include "base/hash/counter_rng.h"
#include "base/system/options.h"
#include "bench/gateway/load.h"
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
  double seconds = 20;
  size_t connections = 16;
};

void keep_to_core(int core) {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(core, &cores);
  ::sched_setaffinity(0, sizeof cores, &cores);
}

// Serves until `control` is closed; the port goes to `told`.
int serve(const Options& options, uint32_t tokens_per_s, int told, int control) {
  asio::io_context io{1};
  server::ModelOptions model_options;
  model_options.directory = options.model;
  const auto model = server::LoadedModel::load(model_options);
  if (!model) {
    fmt::print(stderr, "gateway_bench: {}\n", model.error().message);
    return 1;
  }
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
  if (!listener.listen("127.0.0.1", 0)) return 1;
  const uint16_t port = listener.port();
  if (::write(told, &port, sizeof port) != sizeof port) return 1;
  asio::posix::stream_descriptor end(io, control);
  char byte = 0;
  asio::async_read(end, asio::buffer(&byte, 1), [&io](auto, size_t) { io.stop(); });
  io.run();
  return 0;
}

// Runs `ask` against a gateway of its own; returns the CPU seconds that the gateway took.
double with_gateway(const Options& options, uint32_t tokens_per_s,
                    const std::function<void(uint16_t port)>& ask) {
  int told[2], control[2];
  check(::pipe(told) == 0 && ::pipe(control) == 0, "there are pipes");
  const pid_t child = ::fork();
  check(child >= 0, "a process can be started");
  if (child == 0) {
    ::close(told[0]);
    ::close(control[1]);
    keep_to_core(0);
    std::_Exit(serve(options, tokens_per_s, told[1], control[0]));
  }
  ::close(told[1]);
  ::close(control[0]);
  uint16_t port = 0;
  if (::read(told[0], &port, sizeof port) == sizeof port) ask(port);
  ::close(control[1]);
  ::close(told[0]);
  rusage used{};
  int status = 0;
  ::wait4(child, &status, 0, &used);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
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

void print_requests(const Options& options, size_t connections, const Clock& clock) {
  Samples samples;
  const auto span = Duration(static_cast<int64_t>(options.seconds * 1e9 / 4));
  const double cpu = with_gateway(
      options, 0, [&](uint16_t port) { samples = closed_loop(port, connections, span, clock); });
  const auto count = static_cast<double>(samples.ms.size());
  fmt::print(
      "whole answers, {:>3} connections: {:>8.0f} requests/s, latency p50 {:.3f} ms, p99 {:.3f} "
      "ms, "
      "{:.3f} ms CPU a request, {} failed\n",
      connections, count / samples.wall_s, samples.at(0.5), samples.at(0.99), 1e3 * cpu / count,
      samples.failed);
}

bool print_streams(const Options& options, const Clock& clock) {
  Samples samples;
  const auto tokens = static_cast<uint32_t>(options.seconds * options.tokens_per_s);
  const double cpu = with_gateway(options, options.tokens_per_s, [&](uint16_t port) {
    samples = streams(port, options.streams, tokens, clock);
  });
  const size_t wanted = options.streams * tokens;
  fmt::print(
      "{} streams of {} tokens/s: {} of {} tokens, late by p50 {:.2f} ms, p99 {:.2f} ms, p99.9 "
      "{:.2f} ms, most {:.2f} ms; {:.2f} cores, {:.1f} us CPU a token, {} failed\n",
      options.streams, options.tokens_per_s, samples.ms.size(), wanted, samples.at(0.5),
      samples.at(0.99), samples.at(0.999), samples.at(1), cpu / samples.wall_s,
      1e6 * cpu / static_cast<double>(std::max<size_t>(samples.ms.size(), 1)), samples.failed);
  return samples.failed == 0 && samples.ms.size() == wanted;
}

int run(const Options& options) {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  if (::sysconf(_SC_NPROCESSORS_ONLN) > 1) keep_to_core(1);  // the gateway has core 0
  print_machine();
  const SystemClock clock;
  print_requests(options, 1, clock);
  print_requests(options, options.connections, clock);
  return print_streams(options, clock) ? 0 : 1;
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
  app.add_option("--seconds", options.seconds, "Of the streams; the other runs take a quarter")
      ->capture_default_str();
  app.add_option("--connections", options.connections, "Of the run that counts requests")
      ->capture_default_str();
  if (const auto status = baton::parse_options(app, argc, argv)) return *status;
  return baton::bench::run(options);
}
