#include "model/instance.h"

#include <algorithm>
#include <sstream>

#include "base/io/daemon.h"
#include "base/io/shutdown.h"
#include "base/system/processors.h"
#include "model/checkpoint/packed/mode_options.h"
#include "model/checkpoint/packed/numeric_mode.h"
#include "model/checkpoint/summary.h"
#include "model/team/team_runner.h"
#include "parallel/exchange/collectives.h"
#include "parallel/exchange/delayed_port.h"
#include "parallel/exchange/mpi_port.h"

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

kvcache::PageFormat format_of(const checkpoint::NumericMode& mode,
                              const checkpoint::ModelConfig& config) {
  return {static_cast<uint32_t>(config.num_cache_layers()),
          static_cast<uint32_t>(mode.entry_bytes(config))};
}

Manifest manifest_of(const InstanceOptions& options, const checkpoint::Checkpoint& checkpoint,
                     const kvcache::PageFormat& format) {
  Manifest manifest;
  manifest.model_fingerprint = to_hex(checkpoint.fingerprint());
  const auto mode = checkpoint::find_numeric_mode(options.mode);
  check(mode.has_value(), "the runner has refused an unknown mode");
  manifest.numeric_mode = mode->manifest_name();
  manifest.cache_layers = format.layers;
  manifest.cache_entry_bytes = format.entry_bytes;
  return manifest;
}

}  // namespace

Result<CachePlan> plan_cache(const InstanceOptions& options,
                             const checkpoint::ModelConfig& config) {
  BATON_TRY(mode, checkpoint::find_numeric_mode(options.mode));
  BATON_TRY(context_max, context_of(options, config));
  const kvcache::PageFormat format = format_of(mode, config);
  BATON_TRY(pages, pages_of(options, format, context_max));
  return CachePlan{format, context_max, pages};
}

void add_instance_options(CLI::App& app, InstanceOptions& o) {
  app.add_option("--model", o.model, "folder of the model")->required();
  checkpoint::add_mode_option(app, o.mode);
  app.add_option("--pack-dir", o.pack_dir,
                 "where a mode that packs weights keeps them; empty: the model's folder");
  app.add_option(
         "--layout", o.layout,
         "shape of the instance: tp, dp, redundant, shared, overlap, ranks_per_host, threads")
      ->capture_default_str();
  app.add_option("--name", o.name, "name in the cluster; stable over restarts")
      ->capture_default_str();
  app.add_option("--scheduler", o.scheduler, "address of the scheduler")->capture_default_str();
  app.add_option("--host", o.host, "address to listen on")->capture_default_str();
  app.add_option("--port", o.port, "gRPC port; 0: any free one")->capture_default_str();
  app.add_option("--ports-file", o.ports_file, "write the addresses bound to this file");
  app.add_option("--processors", o.processors,
                 "list such as 0-3,8: where the ranks' compute threads stay, one a thread, rank by "
                 "rank; empty: anywhere");
  app.add_option("--transport", o.transport,
                 "how blocks travel: auto (shared memory on one host, else TCP) or tcp")
      ->check(CLI::IsMember({"auto", "tcp"}))
      ->capture_default_str();
  add_bytes_option(app, "--kv-memory", o.kv_memory, "memory of the latent cache");
  app.add_option("--max-model-len", o.max_model_len,
                 "longest prompt and answer together, in tokens; 0: the model's own limit")
      ->capture_default_str();
  app.add_option("--max-num-batched-tokens", o.max_batched_tokens,
                 "rows of one step at most, for each of dp groups")
      ->check(CLI::Range(16, 65536))
      ->capture_default_str();
  app.add_option("--max-num-seqs", o.max_num_seqs,
                 "sequences of one step at most, for each of dp groups")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  app.add_option("--rebalance-period", o.rebalance_s,
                 "seconds between two plans of where experts lie, by load; 0: only on demand")
      ->capture_default_str();
  app.add_option("--rearrange-period", o.rearrange_s,
                 "seconds between two rearrangements of experts inside a host; 0: never")
      ->capture_default_str();
}

namespace {

constexpr parallel::Tag kMemoryTag = 3;

// Whether compute threads could stay on them. Other hosts have processors of the same numbers, and
// which of those there are is for their own ranks to say.
Result<void> check_processors(std::span<const unsigned> of_host, std::span<const unsigned> mine) {
  std::vector<unsigned> sorted(of_host.begin(), of_host.end());
  std::ranges::sort(sorted);
  if (const auto twice = std::ranges::adjacent_find(sorted); twice != sorted.end()) {
    return fail(ErrorCode::invalid_argument,
                "--processors has {} more than once, and two threads can't have one", *twice);
  }
  const auto there = processors();
  for (const unsigned id : mine) {
    if (std::ranges::find(there, id, &Processor::id) != there.end()) continue;
    return fail(ErrorCode::invalid_argument,
                "--processors has {}, which is none that this process may run on", id);
  }
  return {};
}

// A rank's processors; all its threads then run near them, for what they touch first.
Result<std::vector<unsigned>> take_processors(const InstanceOptions& options,
                                              const parallel::Layout& layout, uint32_t rank) {
  BATON_TRY(all, parse_processors(options.processors));
  if (all.empty()) return all;
  if (all.size() != size_t{layout.ranks()} * layout.threads) {
    return fail(ErrorCode::invalid_argument,
                "--processors has {} of them, and {} ranks of {} threads need one a thread",
                all.size(), layout.ranks(), layout.threads);
  }
  const auto mine = std::span(all).subspan(size_t{rank} * layout.threads, layout.threads);
  const size_t of_host = all.size() / layout.hosts();
  const size_t host = size_t{rank} * layout.threads / of_host;
  BATON_CHECKED(check_processors(std::span(all).subspan(host * of_host, of_host), mine));
  BATON_CHECKED(run_near(mine));
  return std::vector<unsigned>(mine.begin(), mine.end());
}

Result<RunnerOptions> runner_options(const InstanceOptions& options, const parallel::Layout& layout,
                                     uint32_t rank) {
  BATON_TRY(processors, take_processors(options, layout, rank));
  RunnerOptions runner;
  runner.processors = std::move(processors);
  runner.mode = options.mode;
  runner.pack_dir = options.pack_dir;
  runner.pack_progress = ProgressBar::best_style();
  runner.layout = layout;
  runner.rows_max = options.max_batched_tokens;
  runner.sequences_max = options.max_num_seqs;
  runner.balance.period = std::chrono::seconds(options.rebalance_s);
  runner.balance.rearrange_period = std::chrono::seconds(options.rearrange_s);
  return runner;
}

// The layout of these options, if the model can be run so by that many ranks.
Result<parallel::Layout> layout_of(const InstanceOptions& options,
                                   const checkpoint::ModelConfig& config, uint32_t ranks) {
  BATON_TRY(layout, parallel::parse_layout(options.layout));
  BATON_CHECKED(parallel::check_layout(layout, checkpoint::model_shape(config)));
  if (layout.ranks() != ranks) {
    return fail(ErrorCode::invalid_argument,
                "--layout {} needs {} ranks, and this job has {}: start it with mpirun -np {}",
                options.layout, layout.ranks(), ranks, layout.ranks());
  }
  return layout;
}

// What rank 0 has made for all: the names of the doorbell and of the pool, and the pool's pages.
struct SharedMemory {
  std::string doorbell, pool;
  uint32_t pages = 0;
};

void announce(const SharedMemory& memory, parallel::Port& port) {
  const std::string text = fmt::format("{}\n{}\n{}", memory.doorbell, memory.pool, memory.pages);
  const auto bytes = std::as_bytes(std::span(text));
  std::vector<std::byte> message(bytes.begin(), bytes.end());
  parallel::broadcast(port, kMemoryTag, message);
}

SharedMemory hear_of_memory(parallel::Port& port) {
  std::vector<std::byte> message;
  parallel::broadcast(port, kMemoryTag, message);
  std::istringstream text(
      std::string(reinterpret_cast<const char*>(message.data()), message.size()));
  SharedMemory memory;
  std::getline(text, memory.doorbell);
  std::getline(text, memory.pool);
  text >> memory.pages;
  return memory;
}

}  // namespace

Result<std::unique_ptr<Instance>> Instance::open(const InstanceOptions& options,
                                                 std::unique_ptr<parallel::Port> port,
                                                 const Clock& clock) {
  BATON_TRY(opened, checkpoint::Checkpoint::open(options.model));
  auto checkpoint = std::make_unique<const checkpoint::Checkpoint>(std::move(opened));
  BATON_TRY(layout, layout_of(options, checkpoint->config(), port->size()));
  BATON_TRY(cache, plan_cache(options, checkpoint->config()));  // before anything is loaded
  BATON_TRY(doorbell, parallel::Doorbell::create());
  auto bell = std::make_unique<parallel::Doorbell>(std::move(doorbell));
  BATON_TRY(setup, runner_options(options, layout, port->rank()));
  BATON_TRY(runner, TeamRunner::create(
                        *checkpoint, setup, *port, [ring = bell.get()] { ring->ring(); }, clock));
  const auto& [format, context_max, pages] = cache;
  check(format == runner->page_format(), "the cache that was planned is the runner's");
  const bool shared = options.shared_memory() || layout.ranks() > 1;
  BATON_TRY(pool, shared ? kvcache::PoolMemory::create_shared(format, pages, options.name)
                         : kvcache::PoolMemory::create_private(format, pages));
  if (layout.ranks() > 1) announce({bell->name(), pool.shared_name(), pages}, *port);
  const Manifest manifest = manifest_of(options, *checkpoint, format);
  return std::make_unique<Instance>(Instance{layout, std::move(checkpoint), std::move(port),
                                             std::move(bell), std::move(runner), std::move(pool),
                                             manifest, context_max});
}

Result<void> serve_rank(const InstanceOptions& options, parallel::Port& port) {
  BATON_TRY(checkpoint, checkpoint::Checkpoint::open(options.model));
  BATON_TRY(layout, layout_of(options, checkpoint.config(), port.size()));
  BATON_TRY(setup, runner_options(options, layout, port.rank()));
  BATON_TRY(rank, RankRunner::create(checkpoint, setup, port));
  const SharedMemory memory = hear_of_memory(port);
  BATON_TRY(bell, parallel::Doorbell::open(memory.doorbell));
  BATON_TRY(pool, kvcache::PoolMemory::join_shared(rank->page_format(), memory.pages, memory.pool));
  StepServer server(*rank, port, layout.tp);
  do {
    bell.wait();
  } while (server.serve(pool));
  return {};
}

int run_rank(const std::string& program, parallel::World& world, const InstanceOptions& options,
             const std::function<Result<void>(std::unique_ptr<parallel::Port>)>& lead) {
  const SystemClock clock;
  auto port = parallel::mpi_port(world);
  if (const auto layout = parallel::parse_layout(options.layout);
      layout && layout->link_delay_us != 0 && layout->hosts() > 1) {
    port = parallel::delayed_port(std::move(port), layout->ranks_per_host,
                                  std::chrono::microseconds(layout->link_delay_us), clock);
  }
  const bool leads = world.rank() == 0;
  if (!leads) ignore_drain_signals();
  const auto done = leads ? lead(std::move(port)) : serve_rank(options, *port);
  if (done) return 0;
  const int status = report_failure(
      leads ? program : fmt::format("{} (rank {})", program, world.rank()), done.error());
  if (world.size() > 1) world.abort(status);
  return status;
}

void add_expert_metrics(MetricsSnapshot& into, const Runner& runner) {
  const parallel::BalanceView view = runner.balance();
  for (size_t layer = 0; layer < view.tokens.size(); ++layer) {
    const Labels labels = {{"layer", std::to_string(layer)}};
    add_counter(into, "baton_expert_tokens_total",
                "Rows computed by experts, one a (token, expert), by layer with experts.",
                static_cast<double>(view.tokens[layer]), labels);
    add_gauge(into, "baton_expert_load_ratio",
              "Load of the busiest routed expert over the mean of experts, of late.",
              view.heaviest[layer], labels);
    add_gauge(into, "baton_expert_imbalance_ratio",
              "Expert load of the busiest rank over the mean of ranks, of late.",
              view.imbalance[layer], labels);
  }
  add_counter(into, "baton_expert_plans_total", "Placements of experts planned.",
              static_cast<double>(view.plans));
  add_counter(into, "baton_expert_layers_switched_total", "Layers whose experts changed places.",
              static_cast<double>(view.layers_switched));
  add_counter(into, "baton_expert_slots_moved_total", "Expert slots loaded for that.",
              static_cast<double>(view.slots_moved));
  add_counter(into, "baton_expert_moves_failed_total", "Expert slots that could not be loaded.",
              static_cast<double>(view.moves_failed));
}

}  // namespace baton::model
