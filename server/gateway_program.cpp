#include "server/gateway_program.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/hash/counter_rng.h"
#include "base/io/shutdown.h"
#include "proto/grpc_link.h"
#include "server/inference_front.h"
#include "server/loaded_model.h"

namespace baton::server {

namespace asio = boost::asio;

namespace {

constexpr size_t kProbeTokens = 80;  // more than a page, so that a hand-off can be part of it
constexpr Duration kDrainPoll = 20ms;

LogLevel level_of(const std::string& name) {
  if (name == "debug") return LogLevel::debug;
  if (name == "warning") return LogLevel::warning;
  return name == "error" ? LogLevel::error : LogLevel::info;
}

Result<ApiKeys> keys_of(const GatewayProgramOptions& options) {
  ApiKeys keys;
  if (!options.api_key_file.empty()) {
    BATON_TRY(loaded, ApiKeys::load(options.api_key_file));
    keys = std::move(loaded);
  }
  if (!options.api_key.empty()) keys.add(options.api_key);
  return keys;
}

GatewayOptions relay_options(const GatewayProgramOptions& options, const api::TextModel& model) {
  GatewayOptions out;
  out.scheduler = options.scheduler;
  out.limits = options.relay;
  out.deadline =
      std::chrono::duration_cast<Duration>(std::chrono::duration<double>(options.deadline_s));
  const api::ModelFacts& facts = model.facts();
  const size_t length = std::clamp<size_t>(facts.max_model_len / 2, 1, kProbeTokens);
  auto ids = model.encode("ready", false);
  const TokenId token = ids && !ids->empty() ? ids->front() : 0;
  out.probe.attempt = Attempt(1);
  out.probe.model = facts.name;
  out.probe.prompt.assign(length, token);
  out.probe.sampling.temperature = 0;
  out.probe.stop.max_tokens = 1;
  out.probe.stop.ignore_eos = true;
  out.probe.time_left = 30s;
  return out;
}

// Written whole or not at all: a reader that waits for the file never sees half of it.
Result<void> write_ports(const std::string& path, const std::string& http,
                         const std::string& grpc) {
  if (path.empty()) return {};
  const std::string fresh = path + ".new";
  std::ofstream file(fresh, std::ios::trunc);
  file << nlohmann::json{{"http", http}, {"grpc", grpc}}.dump() << '\n';
  file.close();
  std::error_code error;
  if (file) std::filesystem::rename(fresh, path, error);
  if (!file || error) return fail(ErrorCode::unavailable, "Can't write {}.", path);
  return {};
}

bool is_loopback(const std::string& host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

// What main owns, in the order in which it is built; it is torn down in reverse.
class Program {
 public:
  Program(const GatewayProgramOptions& options, std::unique_ptr<LoadedModel> model, ApiKeys keys,
          Log log);
  Result<void> listen();
  void run() { context_.run(); }

 private:
  GenerateContext generate_context();
  void drain();
  void drain_further();
  void wait_until_idle(Instant deadline);
  void stop();

  const GatewayProgramOptions& options_;
  Log log_;
  SystemClock clock_;
  Metrics metrics_;
  std::unique_ptr<LoadedModel> model_;
  ApiKeys keys_;
  asio::io_context context_{1};
  std::unique_ptr<rpc::Connector> connector_;
  Gateway gateway_;
  WorkQueue work_;
  ServingMetrics serving_;
  Router router_;
  InferenceFront inference_;
  http::Listener listener_;
  std::unique_ptr<rpc::InferenceServer> grpc_;
  asio::steady_timer drain_timer_;
  ShutdownSignal signal_;
};

Program::Program(const GatewayProgramOptions& options, std::unique_ptr<LoadedModel> model,
                 ApiKeys keys, Log log)
    : options_(options),
      log_(log),
      model_(std::move(model)),
      keys_(std::move(keys)),
      connector_(rpc::grpc_connector(context_.get_executor(), {})),
      gateway_(context_.get_executor(), relay_options(options, *model_), clock_, *connector_,
               entropy, metrics_, log),
      work_(context_.get_executor(), options.work_threads, options.work_queue_max),
      serving_(metrics_, model_->facts().name),
      router_(generate_context(), keys_, metrics_, log, options.router),
      inference_(generate_context(), keys_),
      listener_(context_.get_executor(), options.listener, clock_, router_, metrics_, log),
      drain_timer_(context_.get_executor()),
      signal_(context_.get_executor(), [this] { drain(); }) {}

GenerateContext Program::generate_context() {
  return {context_.get_executor(), *model_, gateway_, clock_, work_, serving_, entropy,
          options_.generate};
}

Result<void> Program::listen() {
  BATON_CHECKED(listener_.listen(options_.host, options_.port));
  std::string grpc_host = options_.grpc_host;
  if (grpc_host.empty()) grpc_host = is_loopback(options_.host) ? options_.host : "127.0.0.1";
  rpc::GrpcOptions grpc_options;
  grpc_options.reflection = true;
  BATON_TRY(server, rpc::serve_inference(context_.get_executor(), grpc_host, options_.grpc_port,
                                         inference_, grpc_options));
  grpc_ = std::move(server);
  grpc_->set_serving(false);
  gateway_.on_readiness([this](const Readiness& now) {
    if (grpc_) grpc_->set_serving(now.ready);
  });
  const std::string http = fmt::format("{}:{}", listener_.host(), listener_.port());
  BATON_CHECKED(write_ports(options_.ports_file, http, grpc_->address()));
  log_.info(fmt::format("listening http://{} grpc {}", http, grpc_->address()),
            {{"model", model_->facts().name}, {"max_model_len", model_->facts().max_model_len}});
  return {};
}

// Readiness goes first; then, after the grace, admission; then what runs ends; then the loop.
void Program::drain() {
  log_.info("draining", {{"requests", gateway_.live()}});
  gateway_.drain();
  drain_timer_.expires_after(
      std::chrono::duration_cast<Duration>(std::chrono::duration<double>(options_.drain_grace_s)));
  drain_timer_.async_wait([this](auto error) {
    if (!error) drain_further();
  });
}

void Program::drain_further() {
  router_.drain();
  inference_.drain();
  listener_.drain();
  wait_until_idle(clock_.now() + std::chrono::duration_cast<Duration>(
                                     std::chrono::duration<double>(options_.drain_timeout_s)));
}

void Program::wait_until_idle(Instant deadline) {
  const bool idle =
      router_.sessions() == 0 && inference_.calls() == 0 && listener_.connections() == 0;
  if (idle || clock_.now() >= deadline) return stop();
  drain_timer_.expires_after(kDrainPoll);
  drain_timer_.async_wait([this, deadline](auto error) {
    if (!error) wait_until_idle(deadline);
  });
}

void Program::stop() {
  log_.info("stopped", {{"unfinished", router_.sessions() + inference_.calls()}});
  signal_.cancel();
  context_.stop();
}

}  // namespace

int run_gateway(const GatewayProgramOptions& options) {
  const Log log("gateway", "gateway", level_of(options.log_level));
  const auto refused = [&](const Error& error) {
    log.error("cannot_start", {{"why", error.message}});
    return 1;
  };
  auto keys = keys_of(options);
  if (!keys) return refused(keys.error());
  auto model = LoadedModel::load({options.model, options.served_model_name, options.max_model_len,
                                  SystemClock().unix_seconds()});
  if (!model) return refused(model.error());
  Program program(options, *std::move(model), *std::move(keys), log);
  if (auto listening = program.listen(); !listening) return refused(listening.error());
  program.run();
  return 0;
}

}  // namespace baton::server
