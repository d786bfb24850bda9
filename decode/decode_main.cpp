// baton-decode: one decode instance, an MPI job.
#include <boost/asio/io_context.hpp>
#include <nlohmann/json.hpp>

#include "base/io/daemon.h"
#include "base/system/bus_error.h"
#include "decode/decode_worker.h"
#include "kvcache/prefix/secret.h"
#include "parallel/world.h"
#include "proto/grpc_link.h"

namespace {

baton::Result<void> run(const baton::decode::DecodeOptions& options,
                        std::unique_ptr<baton::parallel::Port> port) {
  using namespace baton;
  const Log log("baton-decode", options.instance.name);
  const SystemClock clock;
  BATON_TRY(instance, model::Instance::open(options.instance, std::move(port), clock));
  BATON_TRY(tokenizer, text::Tokenizer::load(options.instance.model));
  boost::asio::io_context io;
  const auto connector = rpc::grpc_connector(io.get_executor(), rpc::GrpcOptions{});
  BATON_TRY(worker, decode::DecodeWorker::create(io.get_executor(), clock, log, *instance,
                                                 tokenizer, options, *connector));
  BATON_TRY(listener,
            rpc::grpc_listen(io.get_executor(), options.instance.host, options.instance.port,
                             worker->acceptors(), rpc::GrpcOptions{}));
  worker->start(listener->address(), [&io] { io.stop(); });
  BATON_CHECKED(write_ports(options.instance.ports_file,
                            {{"grpc", listener->address()}, {"frames", worker->frame_address()}}));
  log.info("listening", {{"grpc", listener->address()},
                         {"frames", worker->frame_address()},
                         {"pages", instance->pool.pages()}});
  run_until_drained(io, [&](std::function<void()> stop) { worker->drain(std::move(stop)); });
  log.info("stopped", {});
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  auto world = baton::parallel::World::join(&argc, &argv);
  if (!world) return baton::report_failure("baton-decode", world.error());
  baton::explain_bus_errors();  // after MPI, which has a handler of its own
  baton::decode::DecodeOptions options;
  options.instance.name = "decode-0";
  CLI::App app("Takes latent caches over and speaks the answers. Started by mpirun.");
  baton::model::add_instance_options(app, options.instance);
  app.add_option("--frame-port", options.frame_port, "port for latent blocks; 0: any free one")
      ->capture_default_str();
  app.add_option("--draft-tokens", options.draft_tokens,
                 "MTP drafts a sequence and step at most, as many as pay; 0: none")
      ->check(CLI::Range(0, 8))
      ->capture_default_str();
  app.add_option("--local-prefill-tokens", options.local_prefill_tokens,
                 "so many tokens of a prompt that are not in its cache are prefilled by decode "
                 "itself, at most")
      ->capture_default_str();
  app.add_flag("--enable-prefix-caching,!--no-enable-prefix-caching", options.prefix_caching,
               "keep full pages of prompts for others that begin the same [on]");
  std::string secret_file;
  app.add_option("--cache-secret-file", secret_file,
                 "its contents keep the prefixes of tenants apart; the scheduler finds prefixes "
                 "here if the gateway has the same [one is drawn at start]");
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
    if (!pins) return baton::report_failure("baton-decode", pins.error());
    options.pinned = std::move(*pins);
  }
  if (!secret_file.empty()) {
    auto secret = baton::kvcache::load_secret(secret_file);
    if (!secret) return baton::report_failure("baton-decode", secret.error());
    options.cache_secret = std::move(*secret);
  }
  baton::decode::fit_rows(options);
  return baton::model::run_rank("baton-decode", **world, options.instance,
                                [&](auto port) { return run(options, std::move(port)); });
}
