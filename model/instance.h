// Instance: what a prefill and a decode daemon have in common: options, weights, runner, cache.
//
// It lives on rank 0 of an MPI job; serve_rank() is all that the other ranks do.
//
// open() checks everything that can be checked before anything is served: the layout, the
// checkpoint, and that the cache holds at least one request of the longest length.
// Thread safety: immutable after open, but for the runner and the pool's bytes (see there).
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "base/system/options.h"
#include "kvcache/pool_memory.h"
#include "model/checkpoint/checkpoint.h"
#include "model/runner.h"
#include "parallel/doorbell.h"
#include "parallel/exchange/port.h"
#include "parallel/layout.h"
#include "parallel/world.h"
#include "proto/cluster.h"

namespace baton::model {

struct InstanceOptions {
  std::string model;
  std::string mode = "exact";
  std::string pack_dir;  // of packed weights; empty: the model's folder
  std::string layout = "tp=1,dp=1";
  std::string name;
  std::string host = "127.0.0.1";
  uint16_t port = 0;
  std::string scheduler = "127.0.0.1:8100";
  std::string ports_file;
  std::string processors;          // of all ranks' threads, rank by rank; empty: any
  std::string transport = "auto";  // auto: shared memory on one host, else TCP; tcp
  size_t kv_memory = size_t{1} << 30;
  uint32_t max_model_len = 0;  // 0: what the model was made for
  uint32_t max_batched_tokens = 512;
  uint32_t max_num_seqs = 64;
  uint32_t rebalance_s = 600;  // between two plans of where experts lie; 0: on demand
  uint32_t rearrange_s = 0;    // between two rearrangements inside hosts; 0: never

  bool shared_memory() const { return transport == "auto"; }
};

// Adds the flags of both kinds of worker.
void add_instance_options(CLI::App& app, InstanceOptions& options);

// The latent cache of an instance, which follows from its options and the model's configuration.
struct CachePlan {
  kvcache::PageFormat format;
  uint32_t context_max = 0;
  uint32_t pages = 0;
};
// Refused if the longest request does not fit.
Result<CachePlan> plan_cache(const InstanceOptions& options, const checkpoint::ModelConfig& config);

struct Instance {
  parallel::Layout layout;
  std::unique_ptr<const checkpoint::Checkpoint> checkpoint;
  std::unique_ptr<parallel::Port> port;
  std::unique_ptr<parallel::Doorbell> bell;
  std::unique_ptr<Runner> runner;  // its end is the other ranks' end
  kvcache::PoolMemory pool;
  Manifest manifest;
  uint32_t context_max = 0;

  // Pages for a context of `context_max` tokens are the least that `kv_memory` must hold.
  // `port` is rank 0's; the clock outlives the instance. If this fails the other ranks must be
  // ended: they wait for it.
  static Result<std::unique_ptr<Instance>> open(const InstanceOptions& options,
                                                std::unique_ptr<parallel::Port> port,
                                                const Clock& clock);
};

// Takes part in the instance's steps, as a rank other than 0, until rank 0's runner is destroyed.
Result<void> serve_rank(const InstanceOptions& options, parallel::Port& port);

// What a worker's main does once its options are known: rank 0 leads, all others serve its steps;
// one that fails says why and ends the job. Returns the status for main.
int run_rank(const std::string& program, parallel::World& world, const InstanceOptions& options,
             const std::function<Result<void>(std::unique_ptr<parallel::Port>)>& lead);

// How the ranks share the experts' load, by layer, and what was moved; for heartbeats.
void add_expert_metrics(MetricsSnapshot& into, const Runner& runner);

}  // namespace baton::model
