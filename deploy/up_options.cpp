#include "deploy/up_options.h"

#include <unistd.h>
#include <yaml-cpp/yaml.h>

#include <filesystem>

#include "base/system/options.h"
#include "deploy/cluster_memory.h"
#include "deploy/process.h"
#include "model/checkpoint/checkpoint.h"
#include "model/checkpoint/packed/mode_options.h"
#include "model/checkpoint/summary.h"
#include "model/instance.h"

namespace baton::deploy {

namespace {

// A cluster file is YAML whose keys are the flags' names, without the dashes. CLI11 asks the
// environment last, so what it says is left out of the file.
class YamlConfig final : public CLI::Config {
 public:
  explicit YamlConfig(const CLI::App& app) : app_(app) {}

  std::string to_config(const CLI::App*, bool, bool, std::string) const override { return {}; }

  std::vector<CLI::ConfigItem> from_config(std::istream& input) const override {
    std::vector<CLI::ConfigItem> items;
    try {
      const YAML::Node file = YAML::Load(input);
      if (!file.IsMap() && !file.IsNull()) {
        throw CLI::FileError("the cluster file is not YAML of KEY: VALUE lines");
      }
      for (const auto& entry : file) {
        CLI::ConfigItem item;
        item.name = entry.first.as<std::string>();
        const auto* option = app_.get_option_no_throw("--" + item.name);
        if (option != nullptr && set_in_environment(*option)) continue;
        item.inputs = {entry.second.as<std::string>()};
        items.push_back(std::move(item));
      }
    } catch (const YAML::Exception& e) {
      throw CLI::FileError(std::string("the cluster file is not YAML of KEY: VALUE lines: ") +
                           e.what());
    }
    return items;
  }

 private:
  const CLI::App& app_;
};

void add_model_options(CLI::App& app, UpOptions& o) {
  app.add_option("--model", o.model, "folder of the model")->required()->type_name("DIR");
  app.add_option("--served-model-name", o.served_model_name,
                 "name that clients use, more behind commas [the folder's]");
  checkpoint::add_mode_options(app, o.mode);
  app.add_option("--pack-dir", o.pack_dir,
                 "where a mode that packs weights keeps them [the model's folder]")
      ->type_name("DIR");
  app.add_option("--max-model-len", o.max_model_len,
                 "longest prompt and answer together, in tokens [what the model was made for]");
}

void add_cluster_options(CLI::App& app, UpOptions& o) {
  app.set_config("--cluster", "", "YAML file with these flags as KEY: VALUE lines");
  app.config_formatter(std::make_shared<YamlConfig>(app));
  app.allow_config_extras(false);
  app.add_option("--prefill", o.prefill,
                 "layout of prefill: tp=, dp=, redundant=, shared=replicated|routed, "
                 "overlap=on|off, ranks_per_host=, link_delay_us=, threads=, instances=")
      ->capture_default_str();
  app.add_option("--decode", o.decode, "layout of decode: the same keys")->capture_default_str();
  app.add_option("--transport", o.transport,
                 "how latent blocks travel: auto (shared memory on one host, else TCP) or tcp")
      ->check(CLI::IsMember({"auto", "tcp"}))
      ->capture_default_str();
  add_bytes_option(app, "--kv-memory", o.kv_memory, "latent cache of each worker");
  app.add_option("--max-num-seqs", o.max_num_seqs, "sequences of one step at most")
      ->check(CLI::Range(1, 4096))  // as the workers: refused before any starts
      ->capture_default_str();
  app.add_option("--max-num-batched-tokens", o.max_num_batched_tokens,
                 "rows of one step at most; decode takes more where its sequences need them")
      ->check(CLI::Range(16, 65536))
      ->capture_default_str();
  app.add_option("--draft-tokens", o.draft_tokens,
                 "MTP drafts a sequence and step at most, as many as pay; 0: none")
      ->check(CLI::Range(0, 8))
      ->capture_default_str();
  app.add_flag("--enable-prefix-caching,!--no-enable-prefix-caching", o.prefix_caching,
               "workers keep pages of prompts for others that begin the same [on]");
  app.add_option("--pin-prefix-file", o.pin_prefix_file,
                 "prefixes that workers keep once they have them, as far as half of their cache: "
                 "a JSON object {\"token_ids\": [...], \"tenant\": \"\", \"cache_salt\": \"\"} a "
                 "line [none]")
      ->type_name("FILE");
  app.add_flag("--kvstore,!--no-kvstore", o.kvstore,
               "keep such pages in daemons of their own too, for all prefill instances [on]");
  app.add_option("--kvstores", o.kvstores, "how many such daemons share the pages")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  add_bytes_option(app, "--kvstore-memory", o.kvstore_memory, "pages that each keeps in memory");
  app.add_option("--kvstore-dir", o.kvstore_dir,
                 "folder for pages on disk, of each kvstore in a folder of its own there; they "
                 "outlive the cluster [none: memory only]")
      ->type_name("DIR");
  add_bytes_option(app, "--kvstore-disk", o.kvstore_disk,
                   "pages that each keeps on disk, if there is a folder");
  app.add_option("--local-prefill-tokens", o.local_prefill_tokens,
                 "prompts of which decode lacks that many tokens at most are prefilled by decode "
                 "itself")
      ->capture_default_str();
  app.add_option("--rebalance-period", o.rebalance_s,
                 "seconds between two plans of where experts lie, by load; 0: only on demand")
      ->capture_default_str();
  app.add_option("--rearrange-period", o.rearrange_s,
                 "seconds between two rearrangements of prefill's experts inside hosts; 0: never")
      ->capture_default_str();
  app.add_flag("--pin-threads,!--no-pin-threads", o.pin_threads,
               "keep each compute thread on a core of its own, if the machine has enough of them "
               "for all workers and one more [on]");
  app.add_flag("--single-process", o.single_process,
               "run every role in this process, without daemons: for a first look or a debugger");
}

void add_front_options(CLI::App& app, UpOptions& o) {
  app.add_option("--host", o.host, "address to serve HTTP on")->capture_default_str();
  app.add_option("--port", o.port, "port for HTTP; 0: any free one")->capture_default_str();
  app.add_option("--grpc-port", o.grpc_port, "port for gRPC; 0: any free one")
      ->capture_default_str();
  app.add_option("--api-key-file", o.api_key_file, "file of API keys, one a line");
  app.add_option("--tls-cert,--ssl-certfile", o.tls_cert,
                 "PEM file of a certificate and its chain: HTTP and gRPC are then served over TLS")
      ->type_name("FILE");
  app.add_option("--tls-key,--ssl-keyfile", o.tls_key, "PEM file of the certificate's key")
      ->type_name("FILE");
  app.add_option("--log-dir", o.log_dir, "write each daemon's log to a file there")
      ->type_name("DIR");
  app.add_option("--ready-timeout", o.ready_timeout_s,
                 "seconds until a token must have been produced")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--drain-timeout", o.drain_timeout_s,
                 "seconds for running requests to end after SIGTERM")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
}

std::string program(const std::string& name) { return program_folder() / name; }

// An instance is an MPI job, also at one rank.
// With more ranks than cores one that waits gives its core away.
std::vector<std::string> mpirun(uint32_t ranks) {
  return {"/usr/bin/env",
          "mpirun",
          "--allow-run-as-root",
          "--oversubscribe",
          "--bind-to",
          "none",
          "--mca",
          "mpi_yield_when_idle",
          "1",
          "-np",
          std::to_string(ranks)};
}

// The processors of each instance, prefill's first, as its workers read them; empty: any.
std::vector<std::string> place_instances(const UpOptions& o, std::span<const Processor> there,
                                         std::span<const parallel::Layout> layouts) {
  std::vector<uint32_t> threads;
  std::vector<std::string> lists;
  for (const parallel::Layout& layout : layouts) {
    threads.insert(threads.end(), size_t{layout.instances} * layout.ranks(), layout.threads);
    lists.resize(lists.size() + layout.instances);
  }
  if (!o.pin_threads) return lists;
  const auto placed = place_ranks(there, threads);
  if (!placed) return lists;
  auto rank = placed->begin();
  size_t list = 0;
  for (const parallel::Layout& layout : layouts) {
    for (uint32_t i = 0; i < layout.instances; ++i, ++list) {
      std::vector<unsigned> all;
      for (uint32_t r = 0; r < layout.ranks(); ++r, ++rank) {
        all.insert(all.end(), rank->begin(), rank->end());
      }
      lists[list] = processors_text(all);
    }
  }
  return lists;
}

void add_workers(ClusterPlan& plan, const UpOptions& o, const std::string& role,
                 const parallel::Layout& layout, std::span<const std::string> processors) {
  for (uint32_t i = 0; i < layout.instances; ++i) {
    DaemonPlan worker;
    worker.name = fmt::format("{}-{}", role, i);
    worker.command = mpirun(layout.ranks());
    worker.drain_signal = SIGUSR1;
    const std::vector<std::string> flags = {
        program("baton-" + role),
        "--model",
        o.model,
        "--mode",
        o.mode,
        "--pack-dir",
        o.pack_dir,
        "--name",
        worker.name,
        "--host",  // said here, or BATON_HOST and BATON_PORT, meant for the gateway, would say it
        "127.0.0.1",
        "--port",
        "0",
        "--layout",
        parallel::to_string(layout),
        "--processors",
        processors[i],
        "--transport",
        o.transport,
        "--kv-memory",
        std::to_string(o.kv_memory),
        "--max-model-len",
        std::to_string(o.max_model_len),
        "--max-num-seqs",
        std::to_string(o.max_num_seqs),
        "--max-num-batched-tokens",
        std::to_string(o.max_num_batched_tokens),
        "--rebalance-period",
        std::to_string(o.rebalance_s)};
    worker.command.insert(worker.command.end(), flags.begin(), flags.end());
    if (role == "prefill") {
      worker.command.push_back("--rearrange-period");
      worker.command.push_back(std::to_string(o.rearrange_s));
    }
    if (role == "decode") {
      worker.command.push_back("--draft-tokens");
      worker.command.push_back(std::to_string(o.draft_tokens));
      worker.command.push_back("--local-prefill-tokens");
      worker.command.push_back(std::to_string(o.local_prefill_tokens));
    }
    if (role == "prefill") worker.command.push_back(o.kvstore ? "--kvstore" : "--no-kvstore");
    if (!o.pin_prefix_file.empty())
      worker.command.insert(worker.command.end(), {"--pin-prefix-file", o.pin_prefix_file});
    if (!o.prefix_caching) worker.command.push_back("--no-enable-prefix-caching");
    plan.workers.push_back(std::move(worker));
  }
}

DaemonPlan plan_kvstore(const UpOptions& o, uint32_t number) {
  DaemonPlan store;
  store.name = fmt::format("kvstore-{}", number);
  store.command = {program("baton-kvstore"),
                   "--name",
                   store.name,
                   "--host",
                   "127.0.0.1",
                   "--port",
                   "0",
                   "--memory",
                   std::to_string(o.kvstore_memory)};
  if (!o.kvstore_dir.empty()) {
    store.command.insert(store.command.end(),
                         {"--dir", std::filesystem::path(o.kvstore_dir) / store.name, "--disk",
                          std::to_string(o.kvstore_disk)});
  }
  return store;
}

}  // namespace

std::optional<int> parse_up_options(UpOptions& options, int argc, char** argv) {
  CLI::App app(
      "Runs a local cluster of daemons in the foreground: gateway, scheduler, kvstores, prefill "
      "and "
      "decode workers. Prints `ready http://HOST:PORT` (https with TLS) when a token has been "
      "produced; "
      "SIGTERM drains.");
  add_model_options(app, options);
  add_cluster_options(app, options);
  add_front_options(app, options);
  if (const auto status = parse_options(app, argc, argv)) return status;
  if (options.served_model_name.empty()) {
    std::error_code error;
    const auto folder = std::filesystem::weakly_canonical(options.model, error);
    options.served_model_name = error ? options.model : folder.filename().string();
  }
  return std::nullopt;
}

namespace {

// What a worker will be told of its cache.
model::InstanceOptions cache_options(const UpOptions& options) {
  model::InstanceOptions instance;
  instance.mode = options.mode;
  instance.kv_memory = options.kv_memory;
  instance.max_model_len = options.max_model_len;
  return instance;
}

}  // namespace

Result<void> check_up_options(const UpOptions& options) {
  std::vector<parallel::Layout> layouts;
  for (const std::string& text : {options.prefill, options.decode}) {
    BATON_TRY(layout, parallel::parse_layout(text));
    if (options.single_process && layout.ranks() > 1) {
      return fail(ErrorCode::unsupported,
                  "--single-process runs instances of one rank, not of {}; leave tp and dp out",
                  layout.ranks());
    }
    layouts.push_back(layout);
  }
  BATON_TRY(checkpoint, checkpoint::Checkpoint::open(options.model));
  for (const parallel::Layout& layout : layouts) {
    BATON_CHECKED(parallel::check_layout(layout, checkpoint::model_shape(checkpoint.config())));
  }
  BATON_CHECKED(model::plan_cache(cache_options(options), checkpoint.config()));
  const auto there = static_cast<uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
                     static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  return check_fits(cluster_memory(options, checkpoint::summarize(checkpoint), layouts), there);
}

ClusterPlan plan_cluster(const UpOptions& o, std::span<const Processor> there) {
  const parallel::Layout layouts[] = {*parallel::parse_layout(o.prefill),
                                      *parallel::parse_layout(o.decode)};
  const auto processors = place_instances(o, there, layouts);
  ClusterPlan plan;
  plan.scheduler = {"scheduler",
                    {program("baton-scheduler"), "--host", "127.0.0.1", "--local-prefill-tokens",
                     std::to_string(o.local_prefill_tokens)}};
  for (uint32_t i = 0; o.kvstore && o.prefix_caching && i < o.kvstores; ++i)
    plan.kvstores.push_back(plan_kvstore(o, i));
  const auto of_prefill = std::span(processors).first(layouts[0].instances);
  const auto of_decode = std::span(processors).subspan(layouts[0].instances);
  add_workers(plan, o, "prefill", layouts[0], of_prefill);
  add_workers(plan, o, "decode", layouts[1], of_decode);
  plan.gateway = {
      "gateway",
      {program("baton-gateway"), "--model", o.model, "--served-model-name", o.served_model_name,
       "--host", o.host, "--port", std::to_string(o.port), "--grpc-port",
       std::to_string(o.grpc_port), "--drain-grace", "0", "--drain-timeout",
       fmt::format("{}", o.drain_timeout_s)}};  // nobody balances in front of it
  auto& gateway = plan.gateway.command;
  if (!o.api_key_file.empty()) gateway.insert(gateway.end(), {"--api-key-file", o.api_key_file});
  if (!o.tls_cert.empty()) gateway.insert(gateway.end(), {"--tls-cert", o.tls_cert});
  if (!o.tls_key.empty()) gateway.insert(gateway.end(), {"--tls-key", o.tls_key});
  if (o.max_model_len != 0) {
    gateway.insert(gateway.end(), {"--max-model-len", std::to_string(o.max_model_len)});
  }
  return plan;
}

}  // namespace baton::deploy
