// baton-kvstore: keeps pages of latent cache for all prefill instances of a cluster.
#include <boost/asio/io_context.hpp>
#include <nlohmann/json.hpp>

#include "base/io/daemon.h"
#include "base/system/options.h"
#include "kvcache/store/kvstore_service.h"
#include "proto/grpc_link.h"

namespace {

struct Settings {
  baton::kvcache::KvstoreOptions service;
  std::string ports_file;
  size_t memory = size_t{256} << 20;
  std::string folder;
  size_t disk = size_t{8} << 30;
};

int run(Settings& settings) {
  using namespace baton;
  kvcache::KvstoreOptions& options = settings.service;
  options.store.memory_bytes = settings.memory;
  if (!settings.folder.empty())
    options.store.disk = kvcache::DiskTierOptions{settings.folder, settings.disk, 0};
  const Log log("baton-kvstore", options.name);
  boost::asio::io_context io;
  const SystemClock clock;
  const auto connector = rpc::grpc_connector(io.get_executor(), rpc::GrpcOptions{});
  auto service = kvcache::KvstoreService::start(io.get_executor(), clock, log, options, *connector,
                                                [&io] { io.stop(); });
  if (!service) return report_failure("baton-kvstore", service.error());
  const std::string address = (*service)->address();
  const auto written = write_ports(settings.ports_file, {{"store", address}});
  if (!written) return report_failure("baton-kvstore", written.error());
  log.info("listening", {{"store", address}});
  // Nothing waits here: who loses a page on its way computes it.
  run_until_drained(io, [&](const std::function<void()>& stop) {
    (*service)->stop();
    stop();
  });
  log.info("stopped", {});
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  baton::kvcache::KvstoreOptions& options = settings.service;
  options.server.port = 8300;
  CLI::App app(
      "Keeps pages of latent cache, in memory and on disk, for all prefill instances of a "
      "cluster.");
  app.add_option("--name", options.name, "name of this instance")->capture_default_str();
  app.add_option("--host", options.server.host, "address to listen on")->capture_default_str();
  app.add_option("--port", options.server.port, "port for pages; 0: any free one")
      ->capture_default_str();
  app.add_option("--scheduler", options.scheduler,
                 "host:port of the scheduler that is told how it goes [nobody is told]");
  app.add_option("--ports-file", settings.ports_file, "write the address bound to this file");
  baton::add_bytes_option(app, "--memory", settings.memory, "pages kept in memory");
  app.add_option("--dir", settings.folder,
                 "folder for pages on disk; they outlive this process [none: memory only]")
      ->type_name("DIR");
  baton::add_bytes_option(app, "--disk", settings.disk, "pages kept on disk, if there is a folder");
  app.add_option("--max-connections", options.server.connections_max,
                 "connections at a time; two of each prefill instance")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  if (const auto status = baton::parse_options(app, argc, argv)) return *status;
  baton::end_with_parent();
  return run(settings);
}
