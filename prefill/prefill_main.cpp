// baton-prefill: one prefill instance, an MPI job.
#include <boost/asio/io_context.hpp>
#include <nlohmann/json.hpp>

#include "base/io/daemon.h"
#include "base/system/bus_error.h"
#include "kvcache/prefix/secret.h"
#include "parallel/world.h"
#include "prefill/prefill_worker.h"
#include "proto/grpc_link.h"

namespace {

baton::Result<void> run(const baton::prefill::PrefillOptions& prefill_options,
                        std::unique_ptr<baton::parallel::Port> port) {
  using namespace baton;
  const model::InstanceOptions& options = prefill_options.instance;
  const Log log("baton-prefill", options.name);
  const SystemClock clock;
  BATON_TRY(instance, model::Instance::open(options, std::move(port), clock));
  boost::asio::io_context io;
  const auto connector = rpc::grpc_connector(io.get_executor(), rpc::GrpcOptions{});
  prefill::PrefillWorker worker(io.get_executor(), clock, log, *instance, prefill_options,
                                *connector);
  BATON_TRY(listener, rpc::grpc_listen(io.get_executor(), options.host, options.port,
                                       worker.acceptors(), rpc::GrpcOptions{}));
  worker.start(listener->address(), [&io] { io.stop(); });
  BATON_CHECKED(write_ports(options.ports_file, {{"grpc", listener->address()}}));
  log.info("listening", {{"grpc", listener->address()}, {"pages", instance->pool.pages()}});
  run_until_drained(io, [&](std::function<void()> stop) { worker.drain(std::move(stop)); });
  log.info("stopped", {});
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  auto world = baton::parallel::World::join(&argc, &argv);
  if (!world) return baton::report_failure("baton-prefill", world.error());
  baton::explain_bus_errors();  // after MPI, which has a handler of its own
  baton::prefill::PrefillOptions prefill;
  baton::model::InstanceOptions& options = prefill.instance;
  options.name = "prefill-0";
  options.rearrange_s = 60;
  CLI::App app("Computes the latent cache of prompts and hands it to decode. Started by mpirun.");
  baton::model::add_instance_options(app, options);
  std::string secret_file;
  app.add_flag("--enable-prefix-caching,!--no-enable-prefix-caching", prefill.prefix_caching,
               "keep pages of prompts for others that begin the same [on]");
  app.add_option("--cache-secret-file", secret_file,
                 "its contents keep the prefixes of tenants apart; instances that are to know each "
                 "other's prefixes share it [one is drawn at start]");
  app.add_flag("--kvstore,!--no-kvstore", prefill.kvstore,
               "use the kvstores that the scheduler knows, which keep pages for all instances that "
               "share the secret [on]");
  app.add_option("--kvstore-address", prefill.kvstores,
                 "host:port of a kvstore, more behind commas: these and no others are used [those "
                 "that the scheduler knows]")
      ->delimiter(',');
  std::string pin_file;
  app.add_option(
         "--pin-prefix-file", pin_file,
         "prefixes that stay in the cache once they are there, as far as half of it: a "
         "JSON object {\"token_ids\": [...], \"tenant\": \"\", \"cache_salt\": \"\"} a line "
         "[none]")
      ->type_name("FILE");
  if (const auto status = baton::parse_options(app, argc, argv)) return *status;
  if (!pin_file.empty()) {
    auto pins = baton::kvcache::load_pinned_prefixes(pin_file);
    if (!pins) return baton::report_failure("baton-prefill", pins.error());
    prefill.pinned = std::move(*pins);
  }
  if (!secret_file.empty()) {
    auto secret = baton::kvcache::load_secret(secret_file);
    if (!secret) return baton::report_failure("baton-prefill", secret.error());
    prefill.cache_secret = std::move(*secret);
  }
  return baton::model::run_rank("baton-prefill", **world, options,
                                [&](auto port) { return run(prefill, std::move(port)); });
}
