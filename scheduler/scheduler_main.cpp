// baton-scheduler: places requests on the instances that its heartbeats know.
#include <boost/asio/io_context.hpp>
#include <nlohmann/json.hpp>

#include "base/io/daemon.h"
#include "base/system/options.h"
#include "proto/grpc_link.h"
#include "scheduler/scheduler_service.h"

namespace {

struct Settings {
  std::string host = "127.0.0.1";
  uint16_t port = 8100;
  std::string ports_file;
  double stale_after_s = 2;
  double gone_after_s = 10;
  uint32_t local_prefill_tokens = 0;
};

int run(const Settings& settings) {
  using namespace baton;
  const Log log("baton-scheduler", "");
  boost::asio::io_context io;
  const SystemClock clock;
  scheduler::SchedulerLimits limits;
  limits.registry.stale_after = Duration(static_cast<int64_t>(settings.stale_after_s * 1e9));
  limits.placement.local_prefill_tokens = settings.local_prefill_tokens;
  limits.registry.gone_after = Duration(static_cast<int64_t>(settings.gone_after_s * 1e9));
  scheduler::SchedulerService service(io.get_executor(), clock, log, limits);
  auto listener = rpc::grpc_listen(io.get_executor(), settings.host, settings.port,
                                   service.acceptors(), rpc::GrpcOptions{});
  if (!listener) return report_failure("baton-scheduler", listener.error());
  const std::string address = (*listener)->address();
  const auto written = write_ports(settings.ports_file, {{"grpc", address}});
  if (!written) return report_failure("baton-scheduler", written.error());
  log.info("listening", {{"grpc", address}});
  // Nothing waits here: every question is answered at once.
  run_until_drained(io, [](const std::function<void()>& stop) { stop(); });
  log.info("stopped", {});
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  CLI::App app("Places requests on prefill and decode instances; knows them from heartbeats.");
  app.add_option("--host", settings.host, "address to listen on")->capture_default_str();
  app.add_option("--port", settings.port, "gRPC port; 0: any free one")->capture_default_str();
  app.add_option("--ports-file", settings.ports_file, "write the address bound to this file");
  app.add_option("--stale-after", settings.stale_after_s,
                 "seconds without a heartbeat until nothing new is placed on an instance")
      ->capture_default_str();
  app.add_option("--gone-after", settings.gone_after_s,
                 "seconds without a heartbeat until an instance is forgotten")
      ->capture_default_str();
  app.add_option("--local-prefill-tokens", settings.local_prefill_tokens,
                 "prompts of up to that many tokens are prefilled by decode itself")
      ->capture_default_str();
  if (const auto status = baton::parse_options(app, argc, argv)) return *status;
  baton::end_with_parent();
  return run(settings);
}
