#include "model/instance.h"

#include "model/team_runner.h"
#include "parallel/local_port.h"

namespace baton::model {

namespace {

Result<uint32_t> context_of(const InstanceOptions& options, const checkpoint::ModelConfig& config) {
  const auto most = static_cast<uint32_t>(config.max_position_embeddings);
  if (options.max_model_len == 0) return most;
  if (options.max_model_len > most) {
    return fail(ErrorCode::invalid_argument,
                "--max-model-len {} is more than the {} positions that the model was made for",
                options.max_model_len, most);
  }
  return options.max_model_len;
}

Result<uint32_t> pages_of(const InstanceOptions& options, const kvcache::PageFormat& format,
                          uint32_t context_max) {
  const uint64_t pages = options.kv_memory / format.page_bytes();
  if (pages < pages_for(context_max)) {
    return fail(ErrorCode::invalid_argument,
                "--kv-memory {} holds {} pages of {} bytes, but one request of {} tokens needs {}; "
                "raise it to {} or lower --max-model-len",
                options.kv_memory, pages, format.page_bytes(), context_max, pages_for(context_max),
                format.page_bytes() * pages_for(context_max));
  }
  return static_cast<uint32_t>(std::min<uint64_t>(pages, uint64_t{1} << 31));
}

Manifest manifest_of(const InstanceOptions& options, const checkpoint::Checkpoint& checkpoint,
                     const kvcache::PageFormat& format) {
  Manifest manifest;
  manifest.model_fingerprint = to_hex(checkpoint.fingerprint());
  manifest.numeric_mode = options.mode;
  manifest.cache_layers = format.layers;
  manifest.cache_entry_bytes = format.entry_bytes;
  return manifest;
}

}  // namespace

void add_instance_options(CLI::App& app, InstanceOptions& o) {
  app.add_option("--model", o.model, "folder of the model")->required();
  app.add_option("--mode", o.mode, "numeric mode: exact")->capture_default_str();
  app.add_option("--layout", o.layout, "shape of the instance: tp=1,dp=1,threads=1")
      ->capture_default_str();
  app.add_option("--name", o.name, "name in the cluster; stable over restarts")
      ->capture_default_str();
  app.add_option("--scheduler", o.scheduler, "address of the scheduler")->capture_default_str();
  app.add_option("--host", o.host, "address to listen on")->capture_default_str();
  app.add_option("--port", o.port, "gRPC port; 0: any free one")->capture_default_str();
  app.add_option("--ports-file", o.ports_file, "write the addresses bound to this file");
  app.add_option("--transport", o.transport,
                 "how blocks travel: auto (shared memory on one host, else TCP) or tcp")
      ->check(CLI::IsMember({"auto", "tcp"}))
      ->capture_default_str();
  add_bytes_option(app, "--kv-memory", o.kv_memory, "memory of the latent cache");
  app.add_option("--max-model-len", o.max_model_len,
                 "longest prompt and answer together, in tokens; 0: the model's own limit")
      ->capture_default_str();
  app.add_option("--max-num-batched-tokens", o.max_batched_tokens, "rows of one step at most")
      ->check(CLI::Range(16, 65536))
      ->capture_default_str();
  app.add_option("--max-num-seqs", o.max_num_seqs, "sequences of one step at most")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
}

Result<std::unique_ptr<Instance>> Instance::open(const InstanceOptions& options) {
  BATON_TRY(layout, parallel::parse_layout(options.layout));
  BATON_CHECKED(parallel::check_one_rank(layout));
  BATON_TRY(opened, checkpoint::Checkpoint::open(options.model));
  auto checkpoint = std::make_unique<const checkpoint::Checkpoint>(std::move(opened));
  BATON_TRY(context_max, context_of(options, checkpoint->config()));
  RunnerOptions runner_options;
  runner_options.mode = options.mode;
  runner_options.layout = layout;
  runner_options.rows_max = options.max_batched_tokens;
  runner_options.sequences_max = options.max_num_seqs;
  auto port = parallel::lone_port();
  BATON_TRY(runner, TeamRunner::create(*checkpoint, runner_options, *port, [] {}));
  const kvcache::PageFormat format = runner->page_format();
  BATON_TRY(pages, pages_of(options, format, context_max));
  BATON_TRY(pool, options.shared_memory()
                      ? kvcache::PoolMemory::create_shared(format, pages, options.name)
                      : kvcache::PoolMemory::create_private(format, pages));
  const Manifest manifest = manifest_of(options, *checkpoint, format);
  return std::make_unique<Instance>(Instance{std::move(checkpoint), std::move(port),
                                             std::move(runner), std::move(pool), manifest,
                                             context_max});
}

void add_expert_metrics(MetricsSnapshot& into, const Runner& runner) {
  const auto tokens = runner.expert_tokens();
  for (size_t layer = 0; layer < tokens.size(); ++layer) {
    for (size_t expert = 0; expert < tokens[layer].size(); ++expert) {
      add_counter(into, "baton_expert_tokens_total", "Tokens routed to each expert.",
                  static_cast<double>(tokens[layer][expert]),
                  {{"layer", std::to_string(layer)}, {"expert", std::to_string(expert)}});
    }
  }
}

}  // namespace baton::model
