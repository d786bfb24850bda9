#include "server/gateway_program.h"

#include <boost/asio/steady_timer.hpp>
#include <nlohmann/json.hpp>

#include "base/hash/counter_rng.h"
#include "base/io/daemon.h"
#include "kvcache/prefix/secret.h"
#include "proto/grpc_link.h"
#include "server/inference/inference_front.h"
#include "server/loaded_model.h"

namespace baton::server {

namespace asio = boost::asio;

namespace {

constexpr size_t kProbeTokens = 80;  // more than a page, so that a hand-off can be part of it
constexpr Duration kDrainPoll = 20ms;
constexpr Duration kSecretsPoll = 1s;

LogLevel level_of(const std::string& name) {
  if (name == "debug") return LogLevel::debug;
  if (name == "warning") return LogLevel::warning;
  return name == "error" ? LogLevel::error : LogLevel::info;
}

GatewayOptions relay_options(const GatewayProgramOptions& options, const api::TextModel& model) {
  GatewayOptions out;
  out.scheduler = options.scheduler;
  out.limits = options.relay;
  out.cache_secret = options.cache_secret;
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

bool is_loopback(const std::string& host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

Duration seconds(double s) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(s));
}

}  // namespace

// Built in this order, torn down in reverse.
class GatewayProgram::Parts {
 public:
  Parts(asio::io_context& io, rpc::Connector& connector, const GatewayProgramOptions& options,
        std::unique_ptr<LoadedModel> model, Secrets secrets, Log log);
  Result<void> listen();
  void drain(std::function<void()> stopped);
  void reload(bool all);
  bool ready() const { return gateway_.readiness().ready; }
  const std::string& http_address() const { return http_address_; }

 private:
  GenerateContext generate_context();
  void watch_secrets();
  void drain_further();
  void wait_until_idle(Instant deadline);

  asio::io_context& io_;
  const GatewayProgramOptions options_;
  Log log_;
  SystemClock clock_;
  Metrics metrics_;
  std::unique_ptr<LoadedModel> model_;
  Secrets secrets_;
  Gateway gateway_;
  WorkQueue work_;
  ServingMetrics serving_;
  Router router_;
  InferenceFront inference_;
  http::Listener listener_;
  std::unique_ptr<rpc::InferenceServer> grpc_;
  asio::steady_timer secrets_timer_;
  asio::steady_timer drain_timer_;
  std::function<void()> stopped_;
  std::string http_address_;
};

GatewayProgram::Parts::Parts(asio::io_context& io, rpc::Connector& connector,
                             const GatewayProgramOptions& options,
                             std::unique_ptr<LoadedModel> model, Secrets secrets, Log log)
    : io_(io),
      options_(options),
      log_(log),
      model_(std::move(model)),
      secrets_(std::move(secrets)),
      gateway_(io.get_executor(), relay_options(options_, *model_), clock_, connector, entropy,
               metrics_, log),
      work_(io.get_executor(), options_.work_threads, options_.work_queue_max),
      serving_(metrics_, model_->facts().name),
      router_(generate_context(), secrets_.keys(), metrics_, log, options_.router),
      inference_(generate_context(), secrets_.keys()),
      listener_(io.get_executor(), options_.listener, clock_, router_, metrics_, log),
      secrets_timer_(io.get_executor()),
      drain_timer_(io.get_executor()) {
  listener_.secure(secrets_.tls());
  if (secrets_.has_files()) watch_secrets();
}

void GatewayProgram::Parts::watch_secrets() {
  secrets_timer_.expires_after(kSecretsPoll);
  secrets_timer_.async_wait([this](auto error) {
    if (error) return;
    reload(false);
    watch_secrets();
  });
}

// gRPC looks after its certificate by itself.
void GatewayProgram::Parts::reload(bool all) {
  if (secrets_.reload(all, log_)) listener_.secure(secrets_.tls());
}

GenerateContext GatewayProgram::Parts::generate_context() {
  return {io_.get_executor(), *model_, gateway_,         clock_, work_,
          serving_,           entropy, options_.generate};
}

Result<void> GatewayProgram::Parts::listen() {
  BATON_CHECKED(listener_.listen(options_.host, options_.port));
  std::string grpc_host = options_.grpc_host;
  const bool safe = secrets_.tls() || is_loopback(options_.host);
  if (grpc_host.empty()) grpc_host = safe ? options_.host : "127.0.0.1";
  rpc::GrpcOptions grpc_options;
  grpc_options.reflection = true;
  grpc_options.tls_certificate = options_.secrets.tls_certificate;
  grpc_options.tls_key = options_.secrets.tls_key;
  BATON_TRY(server, rpc::serve_inference(io_.get_executor(), grpc_host, options_.grpc_port,
                                         inference_, grpc_options));
  grpc_ = std::move(server);
  grpc_->set_serving(false);
  gateway_.on_readiness([this](const Readiness& now) {
    if (grpc_) grpc_->set_serving(now.ready);
  });
  http_address_ = fmt::format("{}:{}", listener_.host(), listener_.port());
  BATON_CHECKED(
      write_ports(options_.ports_file, {{"http", http_address_}, {"grpc", grpc_->address()}}));
  log_.info("listening", {{"http", http_address_},
                          {"grpc", grpc_->address()},
                          {"tls", secrets_.tls() != nullptr},
                          {"model", model_->facts().name},
                          {"max_model_len", model_->facts().max_model_len}});
  return {};
}

void GatewayProgram::Parts::drain(std::function<void()> stopped) {
  stopped_ = std::move(stopped);
  log_.info("draining", {{"requests", gateway_.live()}});
  gateway_.drain();
  drain_timer_.expires_after(seconds(options_.drain_grace_s));
  drain_timer_.async_wait([this](auto error) {
    if (!error) drain_further();
  });
}

void GatewayProgram::Parts::drain_further() {
  router_.drain();
  inference_.drain();
  listener_.drain();
  wait_until_idle(clock_.now() + seconds(options_.drain_timeout_s));
}

void GatewayProgram::Parts::wait_until_idle(Instant deadline) {
  const bool idle =
      router_.sessions() == 0 && inference_.calls() == 0 && listener_.busy_connections() == 0;
  if (idle || clock_.now() >= deadline) {
    log_.info("stopped", {{"unfinished", router_.sessions() + inference_.calls()}});
    stopped_();
    return;
  }
  drain_timer_.expires_after(kDrainPoll);
  drain_timer_.async_wait([this, deadline](auto error) {
    if (!error) wait_until_idle(deadline);
  });
}

GatewayProgram::GatewayProgram(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
GatewayProgram::~GatewayProgram() = default;

Result<std::unique_ptr<GatewayProgram>> GatewayProgram::create(
    asio::io_context& io, rpc::Connector& connector, const GatewayProgramOptions& options) {
  BATON_TRY(secrets, Secrets::load(options.secrets));
  ModelOptions model_options;
  model_options.directory = options.model;
  model_options.served_name = options.served_model_name;
  model_options.chat_template = options.chat_template;
  model_options.deepseek_temperature = options.deepseek_temperature;
  model_options.max_model_len = options.max_model_len;
  model_options.created = SystemClock().unix_seconds();
  BATON_TRY(model, LoadedModel::load(model_options));
  GatewayProgramOptions checked = options;
  if (!options.cache_secret_file.empty()) {
    BATON_TRY(secret, kvcache::load_secret(options.cache_secret_file));
    checked.cache_secret = std::move(secret);
  }
  const Log log("baton-gateway", "", level_of(options.log_level));
  return std::unique_ptr<GatewayProgram>(new GatewayProgram(
      std::make_unique<Parts>(io, connector, checked, std::move(model), std::move(secrets), log)));
}

Result<void> GatewayProgram::listen() { return parts_->listen(); }
void GatewayProgram::drain(std::function<void()> stopped) { parts_->drain(std::move(stopped)); }
void GatewayProgram::reload() { parts_->reload(true); }
bool GatewayProgram::ready() const { return parts_->ready(); }
const std::string& GatewayProgram::http_address() const { return parts_->http_address(); }

int run_gateway(const GatewayProgramOptions& options) {
  asio::io_context io{1};
  const auto connector = rpc::grpc_connector(io.get_executor(), {});
  auto program = GatewayProgram::create(io, *connector, options);
  if (!program) return report_failure("baton-gateway", program.error());
  if (const auto listening = (*program)->listen(); !listening) {
    return report_failure("baton-gateway", listening.error());
  }
  run_until_drained(
      io, [&](std::function<void()> stop) { (*program)->drain(std::move(stop)); },
      [&] { (*program)->reload(); });
  return 0;
}

}  // namespace baton::server
