#include "deploy/process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

namespace baton::deploy {

namespace {

constexpr int kLastWaitMs = 2000;

// In the child: only calls that are safe between fork and exec.
[[noreturn]] void become(char** argv, int output, pid_t parent) {
  ::setpgid(0, 0);
  // Not the drain signal: mpirun loses a SIGUSR1 that comes before its rank listens.
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(1);  // it died before it could be watched
  ::dup2(output, STDOUT_FILENO);
  ::dup2(output, STDERR_FILENO);
  ::execv(argv[0], argv);
  const char* message = ": can't be executed\n";
  const auto name = ::write(STDERR_FILENO, argv[0], std::strlen(argv[0]));
  const auto rest = ::write(STDERR_FILENO, message, std::strlen(message));
  ::_exit(name + rest > 0 ? 127 : 126);
}

}  // namespace

Result<Process> Process::start(const std::vector<std::string>& command,
                               const std::filesystem::path& log, int drain_signal) {
  int output = STDERR_FILENO;
  if (!log.empty()) {
    output = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (output < 0) {
      return fail(ErrorCode::invalid_argument, "can't open the log {}: {}", log.string(),
                  std::strerror(errno));
    }
  }
  std::vector<std::string> copy = command;
  std::vector<char*> argv;
  for (std::string& argument : copy) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid == 0) become(argv.data(), output, parent);
  if (!log.empty()) ::close(output);
  if (pid < 0) {
    return fail(ErrorCode::resource_exhausted, "can't start {}: {}", command[0],
                std::strerror(errno));
  }
  return Process(pid, drain_signal);
}

Process::Process(Process&& other) noexcept
    : pid_(other.pid_), drain_signal_(other.drain_signal_), status_(other.status_) {
  other.pid_ = -1;
}

Process& Process::operator=(Process&& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(drain_signal_, other.drain_signal_);
  std::swap(status_, other.status_);
  return *this;
}

// mpirun that is killed outright leaves its ranks' shared memory behind, so it is asked first.
Process::~Process() {
  if (pid_ < 0 || poll()) return;
  ::kill(pid_, SIGTERM);
  const auto ends = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
  pollfd wait{ends, POLLIN, 0};
  if (ends >= 0) {
    ::poll(&wait, 1, kLastWaitMs);
    ::close(ends);
  }
  kill();  // whoever is left of its group
  ::waitpid(pid_, nullptr, 0);
}

std::optional<int> Process::poll() {
  if (status_ || pid_ < 0) return status_;
  int status = 0;
  if (::waitpid(pid_, &status, WNOHANG) == pid_) {
    status_ = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  }
  return status_;
}

void Process::drain() {
  if (pid_ > 0 && !status_) ::kill(pid_, drain_signal_);
}

void Process::kill() {
  if (pid_ > 0 && !status_) ::kill(-pid_, SIGKILL);
}

std::filesystem::path program_folder() {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
}

}  // namespace baton::deploy
