// The flags of `baton up`, from command line, environment and cluster file, and the commands of the
// daemons that they come to. Thread safety: values.
#pragma once

#include <csignal>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/system/processors.h"
#include "parallel/layout.h"

namespace baton::deploy {

struct UpOptions {
  std::string model;
  std::string served_model_name;  // empty: the folder's name
  std::string mode = "exact";
  std::string pack_dir;  // empty: the model's folder
  std::string host = "127.0.0.1";
  uint16_t port = 8000;
  uint16_t grpc_port = 8001;
  std::string prefill = "tp=1,dp=1";
  std::string decode = "tp=1,dp=1";
  std::string transport = "auto";
  size_t kv_memory = size_t{1} << 30;  // of each worker
  uint32_t max_model_len = 0;
  uint32_t max_num_seqs = 64;
  uint32_t max_num_batched_tokens = 512;
  uint32_t draft_tokens = 1;
  bool prefix_caching = true;
  bool kvstore = true;          // with prefix_caching only
  std::string pin_prefix_file;  // empty: none
  uint32_t kvstores = 1;
  size_t kvstore_memory = size_t{256} << 20;  // of each
  std::string kvstore_dir;                    // empty: pages in memory only
  size_t kvstore_disk = size_t{8} << 30;      // of each
  uint32_t rebalance_s = 600;
  uint32_t rearrange_s = 60;  // of prefill
  uint32_t local_prefill_tokens = 0;
  std::string api_key_file;
  std::string tls_cert, tls_key;  // empty: HTTP and gRPC are not encrypted
  std::string log_dir;            // empty: standard error
  double ready_timeout_s = 600;
  double drain_timeout_s = 120;
  bool pin_threads = true;
  bool single_process = false;
};

// The status to leave main with, or nothing to go on.
std::optional<int> parse_up_options(UpOptions& options, int argc, char** argv);

// What can be refused before anything starts: layouts, the checkpoint, the mode.
Result<void> check_up_options(const UpOptions& options);

// One daemon of the cluster: what it is called and how it is started.
struct DaemonPlan {
  std::string name;
  std::vector<std::string> command;  // without --ports-file and --scheduler
  int drain_signal = SIGTERM;        // SIGUSR1 for mpirun, which passes it on (base/io/shutdown.h)
};

struct ClusterPlan {
  DaemonPlan scheduler;
  std::vector<DaemonPlan> kvstores;
  std::vector<DaemonPlan> workers;
  DaemonPlan gateway;
};
// With processors that are `there`, compute threads stay on cores of their own if there are enough.
ClusterPlan plan_cluster(const UpOptions& options, std::span<const Processor> there = {});

}  // namespace baton::deploy
