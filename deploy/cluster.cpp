#include "deploy/cluster.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/io/shutdown.h"
#include "base/system/file.h"
#include "deploy/announce.h"
#include "deploy/http_probe.h"
#include "deploy/last_words.h"
#include "kvcache/prefix/secret.h"

namespace baton::deploy {

namespace {

constexpr auto kTick = std::chrono::milliseconds(50);
constexpr Duration kRestartAfter = 500ms;
constexpr Duration kEndsWindow = 60s;
constexpr size_t kEndsMax = 5;  // within the window: then the cluster gives up

constexpr const char* kFolder = "baton-up-";
constexpr const char* kSecretFile = "cache-secret";

// Folders of launchers that were killed before they could remove them.
void remove_leftovers(const std::filesystem::path& where) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(where, error)) {
    if (!entry.path().filename().string().starts_with(kFolder)) continue;
    std::ifstream file(entry.path() / "pid");
    pid_t pid = 0;
    if (file >> pid && pid > 0 && ::kill(pid, 0) != 0 && errno == ESRCH) {
      std::filesystem::remove_all(entry.path(), error);
    }
  }
}

void say(const std::string& sentence) { std::fprintf(stderr, "baton up: %s\n", sentence.c_str()); }

}  // namespace

Cluster::Cluster(const UpOptions& options, const Clock& clock)
    : options_(options), clock_(clock), signals_(io_, SIGTERM, SIGINT), timer_(io_) {
  add_hangup(signals_);
  ClusterPlan plan = plan_cluster(options, processors());
  scheduler_.plan = std::move(plan.scheduler);
  for (DaemonPlan& store : plan.kvstores) kvstores_.emplace_back().plan = std::move(store);
  gateway_.plan = std::move(plan.gateway);
  for (DaemonPlan& worker : plan.workers) workers_.emplace_back().plan = std::move(worker);
}

Cluster::~Cluster() {
  follow_logs();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

Result<void> Cluster::make_folder() {
  std::error_code error;
  const auto where = std::filesystem::temp_directory_path(error);
  if (!error) remove_leftovers(where);
  std::string pattern = where / fmt::format("{}XXXXXX", kFolder);
  if (error || ::mkdtemp(pattern.data()) == nullptr) {
    return fail(ErrorCode::unavailable,
                "no temporary folder can be made; set TMPDIR to a folder that can be written to");
  }
  folder_ = pattern;
  std::ofstream(folder_ / "pid") << ::getpid() << '\n';
  return {};
}

// What names of pages are made with. It lies with the pages, if these outlive the cluster: with
// another one none of them would be found.
Result<void> Cluster::make_secret() {
  const bool kept = !kvstores_.empty() && !options_.kvstore_dir.empty();
  const std::filesystem::path folder = kept ? std::filesystem::path(options_.kvstore_dir) : folder_;
  std::error_code ignored;  // the file says what is wrong
  std::filesystem::create_directories(folder, ignored);
  secret_file_ = folder / kSecretFile;
  if (kvcache::load_secret(secret_file_)) return {};
  const std::string secret = kvcache::draw_secret();
  const mode_t before = ::umask(0077);  // for nobody else's eyes
  auto file = OutputFile::create(secret_file_, secret.size());
  ::umask(before);
  if (!file) return file.error();
  BATON_CHECKED(file->write_at(0, std::as_bytes(std::span(secret))));
  return file->finish();
}

std::filesystem::path Cluster::log_of(const Daemon& daemon) const {
  const auto folder = options_.log_dir.empty() ? folder_ : std::filesystem::path(options_.log_dir);
  return folder / (daemon.plan.name + ".log");
}

Result<void> Cluster::start(Daemon& daemon) {
  daemon.start_at.reset();
  std::vector<std::string> command = daemon.plan.command;
  const auto add = [&command](const std::string& flag, const std::string& value) {
    command.push_back(flag);
    command.push_back(value);
  };
  if (&daemon == &scheduler_) {
    // Started again, it must be found where it was.
    const auto colon = scheduler_address_.rfind(':');
    add("--port", scheduler_address_.empty() ? "0" : scheduler_address_.substr(colon + 1));
  } else {
    add("--scheduler", scheduler_address_);
  }
  if (&daemon != &scheduler_ && !is_kvstore(daemon)) add("--cache-secret-file", secret_file_);
  daemon.ports_file = folder_ / (daemon.plan.name + ".json");
  std::error_code ignored;
  std::filesystem::remove(daemon.ports_file, ignored);
  add("--ports-file", daemon.ports_file);
  daemon.log = LogTail(log_of(daemon), options_.log_dir.empty());
  BATON_TRY(process, Process::start(command, log_of(daemon), daemon.plan.drain_signal));
  daemon.process.emplace(std::move(process));
  return {};
}

std::optional<std::string> Cluster::port_of(const Daemon& daemon, const std::string& name) const {
  std::ifstream file(daemon.ports_file);
  if (!file) return std::nullopt;
  const auto ports = nlohmann::json::parse(file, nullptr, false);
  if (!ports.is_object() || !ports.contains(name)) return std::nullopt;
  return ports[name].get<std::string>();
}

int Cluster::run() {
  if (!options_.log_dir.empty()) {
    std::error_code error;
    std::filesystem::create_directories(options_.log_dir, error);
  }
  deadline_ = clock_.now() + Duration(static_cast<int64_t>(options_.ready_timeout_s * 1e9));
  signals_.async_wait([this](const auto& error, int) {
    if (error) return;
    drain(0);
    signals_.async_wait([this](const auto& again, int) {
      if (!again) io_.stop();  // at once: the destructors kill what is left
    });
  });
  auto started = make_folder();
  if (started) started = make_secret();
  if (started) started = start(scheduler_);
  if (!started) {
    say(started.error().message);
    return 1;
  }
  watch();
  io_.run();
  return status_;
}

void Cluster::watch() {
  timer_.expires_after(kTick);
  timer_.async_wait([this](const auto& error) {
    if (!error) tick();
  });
}

void Cluster::tick() {
  if (options_.log_dir.empty()) follow_logs();
  collect_ends();
  start_due();
  when_starting();
  if (stage_ == Stage::draining) drain_next();
  watch();
}

void Cluster::follow_logs() {
  scheduler_.log.follow();
  for (Daemon& store : kvstores_) store.log.follow();
  for (Daemon& worker : workers_) worker.log.follow();
  gateway_.log.follow();
}

void Cluster::collect_ends() {
  const auto look = [this](Daemon& daemon) {
    if (!daemon.process) return;
    if (const auto status = daemon.process->poll()) {
      daemon.process.reset();
      ended(daemon, *status);
    }
  };
  look(gateway_);
  for (Daemon& worker : workers_) look(worker);
  for (Daemon& store : kvstores_) look(store);
  look(scheduler_);
}

bool Cluster::is_kvstore(const Daemon& daemon) const {
  return std::ranges::any_of(kvstores_, [&](const Daemon& store) { return &store == &daemon; });
}

void Cluster::ended(Daemon& daemon, int status) {
  if (stage_ == Stage::draining) return;
  daemon.log.follow();
  const std::string where =
      options_.log_dir.empty() ? "its last words stand above" : "see " + log_of(daemon).string();
  const std::string why =
      last_words(daemon.log.text()).value_or(fmt::format("it ended with status {}", status));
  if (stage_ != Stage::ready) {
    fail_start(fmt::format("{} was lost before the cluster was ready: {}; {}", daemon.plan.name,
                           why, where));
    return;
  }
  const Instant now = clock_.now();
  daemon.ends.push_back(now);
  while (now - daemon.ends.front() > kEndsWindow) daemon.ends.pop_front();
  if (daemon.ends.size() > kEndsMax && is_kvstore(daemon)) {
    say(fmt::format("{} keeps ending: {}; going on without it; {}", daemon.plan.name, why, where));
    return;
  }
  if (daemon.ends.size() > kEndsMax) {
    say(fmt::format("{} keeps ending: {}; giving up; {}", daemon.plan.name, why, where));
    drain(1);
    return;
  }
  say(fmt::format("{} was lost: {}; starting it again", daemon.plan.name, why));
  daemon.start_at = now + kRestartAfter;
}

void Cluster::start_due() {
  const auto look = [this](Daemon& daemon) {
    if (!daemon.start_at || *daemon.start_at > clock_.now()) return;
    if (const auto started = start(daemon); !started) {
      say(started.error().message);
      daemon.start_at = clock_.now() + kRestartAfter;
    }
  };
  look(scheduler_);
  for (Daemon& store : kvstores_) look(store);
  for (Daemon& worker : workers_) look(worker);
  look(gateway_);
}

void Cluster::when_starting() {
  if (stage_ == Stage::ready || stage_ == Stage::draining) return;
  if (clock_.now() > deadline_) {
    return fail_start(fmt::format("no token was produced within {} s", options_.ready_timeout_s));
  }
  if (stage_ == Stage::starting_scheduler) {
    const auto address = port_of(scheduler_, "grpc");
    if (!address) return;
    scheduler_address_ = *address;
    stage_ = Stage::starting_kvstores;
    for (Daemon& store : kvstores_) store.start_at = clock_.now();
  }
  if (stage_ == Stage::starting_kvstores) {
    for (Daemon& store : kvstores_) {
      const auto address = port_of(store, "store");
      if (!address) return;
      keep_port(store, "--port", *address);
    }
    stage_ = Stage::starting;
    return start_workers();
  }
  if (stage_ != Stage::starting) return;
  const auto http = port_of(gateway_, "http");
  if (http && answers_200(*http, "/readyz", !options_.tls_cert.empty())) {
    stage_ = Stage::ready;
    keep_port(gateway_, "--port", *http);
    if (const auto grpc = port_of(gateway_, "grpc")) keep_port(gateway_, "--grpc-port", *grpc);
    announce_ready(*http, options_.served_model_name, !options_.tls_cert.empty());
  }
}

void Cluster::start_workers() {
  for (Daemon& worker : workers_) worker.start_at = clock_.now();
  gateway_.start_at = clock_.now();
}

// Started again, it must be found where it was, also if that was any free port.
void Cluster::keep_port(Daemon& daemon, const std::string& flag, const std::string& address) {
  auto& command = daemon.plan.command;
  const auto found = std::find(command.begin(), command.end(), flag);
  check(found != command.end(), "a daemon is given its ports");
  *(found + 1) = address.substr(address.rfind(':') + 1);
}

void Cluster::fail_start(const std::string& sentence) {
  say(sentence);
  drain(1);
}

void Cluster::drain(int status) {
  if (stage_ == Stage::draining) return;
  stage_ = Stage::draining;
  status_ = status;
  deadline_ = clock_.now() + Duration(static_cast<int64_t>((options_.drain_timeout_s + 20) * 1e9));
  ask_to_end(gateway_);
}

bool Cluster::ask_to_end(Daemon& daemon) {
  if (!daemon.process) return false;
  // mpirun loses a signal that comes before its rank listens.
  const bool listens = std::filesystem::exists(daemon.ports_file);
  if (daemon.asked_to_end || (daemon.plan.drain_signal != SIGTERM && !listens)) return true;
  daemon.process->drain();
  daemon.asked_to_end = true;
  return true;
}

// The gateway has ended: workers; these have ended: the kvstores, then the scheduler; then the
// loop.
void Cluster::drain_next() {
  if (clock_.now() > deadline_) {
    say("some daemons did not drain in time and are killed");
    status_ = 1;
    io_.stop();
    return;
  }
  if (gateway_.process) return;
  bool left = false;
  for (Daemon& worker : workers_) left = ask_to_end(worker) || left;
  if (left) return;
  for (Daemon& store : kvstores_) left = ask_to_end(store) || left;
  if (left || ask_to_end(scheduler_)) return;
  io_.stop();
}

}  // namespace baton::deploy
