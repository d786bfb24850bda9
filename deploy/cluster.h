// Cluster: starts the daemons of a plan in order, waits for a token, keeps them running, drains.
//
// The scheduler first, then the kvstores if there are any, then workers and gateway together.
// Before the cluster is ready the end of any daemon is a failed start. Afterwards one that ends is
// started again (a worker with a new incarnation); one that keeps dying ends the cluster, but for a
// kvstore, which nobody needs. Draining goes from the front backwards: gateway, workers, kvstores,
// scheduler. Nothing is left behind: no child, no file. Thread: the caller's.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "deploy/log_tail.h"
#include "deploy/process.h"
#include "deploy/up_options.h"

namespace baton::deploy {

class Cluster {
 public:
  Cluster(const UpOptions& options, const Clock& clock);
  ~Cluster();

  // Runs until drained; the status for main.
  int run();

 private:
  enum class Stage { starting_scheduler, starting_kvstores, starting, ready, draining };
  struct Daemon {
    DaemonPlan plan;
    std::filesystem::path ports_file;
    std::optional<Process> process;
    LogTail log;
    std::deque<Instant> ends;  // lately
    std::optional<Instant> start_at;
    bool asked_to_end = false;
  };

  Result<void> make_folder();
  Result<void> start(Daemon& daemon);
  void watch();
  void tick();
  void follow_logs();
  void collect_ends();
  void ended(Daemon& daemon, int status);
  void start_due();
  void when_starting();
  Result<void> make_secret();
  void start_workers();
  bool is_kvstore(const Daemon& daemon) const;
  void keep_port(Daemon& daemon, const std::string& flag, const std::string& address);
  void drain(int status);
  void drain_next();
  bool ask_to_end(Daemon& daemon);  // whether it still runs
  std::optional<std::string> port_of(const Daemon& daemon, const std::string& name) const;
  std::filesystem::path log_of(const Daemon& daemon) const;
  void fail_start(const std::string& sentence);

  const UpOptions& options_;
  const Clock& clock_;
  std::filesystem::path folder_;  // of ports files, and of logs that have no other place
  Daemon scheduler_;
  std::vector<Daemon> kvstores_;
  std::vector<Daemon> workers_;
  Daemon gateway_;
  std::string scheduler_address_;
  std::filesystem::path secret_file_;  // of the names of pages
  Stage stage_ = Stage::starting_scheduler;
  Instant deadline_;
  int status_ = 0;
  boost::asio::io_context io_;
  boost::asio::signal_set signals_;
  boost::asio::steady_timer timer_;
};

}  // namespace baton::deploy
