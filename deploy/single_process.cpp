#include "deploy/single_process.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/io/daemon.h"
#include "base/system/bus_error.h"
#include "decode/decode_worker.h"
#include "deploy/announce.h"
#include "kvcache/prefix/secret.h"
#include "parallel/exchange/local_port.h"
#include "prefill/prefill_worker.h"
#include "proto/direct.h"
#include "scheduler/scheduler_service.h"
#include "server/gateway_program.h"

namespace baton::deploy {

namespace {

constexpr const char* kScheduler = "scheduler";
constexpr auto kReadyPoll = std::chrono::milliseconds(10);

model::InstanceOptions instance_options(const UpOptions& up, const std::string& layout,
                                        const std::string& name) {
  model::InstanceOptions options;
  options.model = up.model;
  options.mode = up.mode;
  options.pack_dir = up.pack_dir;
  options.layout = layout;
  options.name = name;
  options.scheduler = kScheduler;
  options.transport = up.transport;
  options.kv_memory = up.kv_memory;
  options.max_model_len = up.max_model_len;
  options.max_batched_tokens = up.max_num_batched_tokens;
  options.max_num_seqs = up.max_num_seqs;
  return options;
}

server::GatewayProgramOptions gateway_options(const UpOptions& up) {
  server::GatewayProgramOptions options;
  options.model = up.model;
  options.served_model_name = up.served_model_name;
  options.scheduler = kScheduler;
  options.host = up.host;
  options.port = up.port;
  options.grpc_port = up.grpc_port;
  options.secrets.api_key_file = up.api_key_file;
  options.secrets.tls_certificate = up.tls_cert;
  options.secrets.tls_key = up.tls_key;
  options.max_model_len = up.max_model_len;
  options.drain_grace_s = 0;  // nobody balances in front of it
  options.drain_timeout_s = up.drain_timeout_s;
  return options;
}

// Members are built in this order and torn down in reverse.
class AllRoles {
 public:
  explicit AllRoles(const UpOptions& up) : up_(up) {}

  Result<void> start();
  void run() {
    announce_when_ready();
    run_until_drained(io_, [this](std::function<void()> stop) { gateway_->drain(stop); });
    io_.restart();
    io_.poll();  // what the workers' ends still have to say
  }

 private:
  Result<void> start_prefill();
  Result<void> start_decode();
  void announce_when_ready();

  const UpOptions& up_;
  const std::string cache_secret_ = kvcache::draw_secret();
  const SystemClock clock_;
  boost::asio::io_context io_{1};
  rpc::DirectNetwork network_;
  std::unique_ptr<rpc::Connector> connector_;
  std::unique_ptr<scheduler::SchedulerService> scheduler_;
  std::unique_ptr<model::Instance> prefill_instance_, decode_instance_;
  std::optional<text::Tokenizer> tokenizer_;
  std::unique_ptr<prefill::PrefillWorker> prefill_;
  std::unique_ptr<decode::DecodeWorker> decode_;
  std::vector<std::unique_ptr<rpc::Listener>> listeners_;
  std::unique_ptr<server::GatewayProgram> gateway_;
  boost::asio::steady_timer ready_{io_};
};

Result<void> AllRoles::start() {
  scheduler::SchedulerLimits limits;
  limits.placement.local_prefill_tokens = up_.local_prefill_tokens;
  connector_ = network_.connector(io_.get_executor());
  scheduler_ = std::make_unique<scheduler::SchedulerService>(io_.get_executor(), clock_,
                                                             Log("scheduler", ""), limits);
  BATON_TRY(listener, network_.listen(io_.get_executor(), kScheduler, scheduler_->acceptors()));
  listeners_.push_back(std::move(listener));
  BATON_CHECKED(start_prefill());
  BATON_CHECKED(start_decode());
  auto gateway_options = deploy::gateway_options(up_);
  gateway_options.cache_secret = cache_secret_;
  BATON_TRY(gateway, server::GatewayProgram::create(io_, *connector_, gateway_options));
  gateway_ = std::move(gateway);
  return gateway_->listen();
}

Result<void> AllRoles::start_prefill() {
  prefill::PrefillOptions prefill;
  prefill.instance = instance_options(up_, up_.prefill, "prefill-0");
  prefill.prefix_caching = up_.prefix_caching;
  prefill.cache_secret = cache_secret_;
  const model::InstanceOptions& options = prefill.instance;
  BATON_TRY(instance, model::Instance::open(options, parallel::lone_port(), clock_));
  prefill_instance_ = std::move(instance);
  prefill_ = std::make_unique<prefill::PrefillWorker>(io_.get_executor(), clock_,
                                                      Log("prefill", options.name),
                                                      *prefill_instance_, prefill, *connector_);
  BATON_TRY(listener, network_.listen(io_.get_executor(), options.name, prefill_->acceptors()));
  prefill_->start(listener->address(), [this] { io_.stop(); });
  listeners_.push_back(std::move(listener));
  return {};
}

Result<void> AllRoles::start_decode() {
  decode::DecodeOptions options;
  options.instance = instance_options(up_, up_.decode, "decode-0");
  options.draft_tokens = up_.draft_tokens;
  options.local_prefill_tokens = up_.local_prefill_tokens;
  options.prefix_caching = up_.prefix_caching;
  options.cache_secret = cache_secret_;
  decode::fit_rows(options);
  BATON_TRY(instance, model::Instance::open(options.instance, parallel::lone_port(), clock_));
  decode_instance_ = std::move(instance);
  BATON_TRY(tokenizer, text::Tokenizer::load(up_.model));
  tokenizer_.emplace(std::move(tokenizer));
  BATON_TRY(worker, decode::DecodeWorker::create(
                        io_.get_executor(), clock_, Log("decode", options.instance.name),
                        *decode_instance_, *tokenizer_, options, *connector_));
  decode_ = std::move(worker);
  BATON_TRY(listener,
            network_.listen(io_.get_executor(), options.instance.name, decode_->acceptors()));
  decode_->start(listener->address(), [this] { io_.stop(); });
  listeners_.push_back(std::move(listener));
  return {};
}

void AllRoles::announce_when_ready() {
  if (gateway_->ready()) {
    announce_ready(gateway_->http_address(), up_.served_model_name, !up_.tls_cert.empty());
    return;
  }
  ready_.expires_after(kReadyPoll);
  ready_.async_wait([this](const auto& error) {
    if (!error) announce_when_ready();
  });
}

}  // namespace

int run_single_process(const UpOptions& options) {
  explain_bus_errors();
  AllRoles roles(options);
  if (const auto started = roles.start(); !started) {
    return report_failure("baton up", started.error());
  }
  roles.run();
  return 0;
}

}  // namespace baton::deploy
