// Process: a child program that ends with its parent and is always reaped.
//
// The child gets its own process group, so that a terminal's ^C reaches only the launcher, which
// then drains it. Thread safety: one thread starts and polls.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace baton::deploy {

class Process {
 public:
  // `log` empty: the child's standard error is this process's; else it is appended to that file.
  // Standard output goes where standard error goes. `drain_signal` asks it to end; it also gets it
  // when the launcher dies.
  static Result<Process> start(const std::vector<std::string>& command,
                               const std::filesystem::path& log, int drain_signal);

  Process(Process&& other) noexcept;
  Process& operator=(Process&& other) noexcept;
  ~Process();  // SIGTERM, two seconds, SIGKILL to its group; reaps what still ran

  // The exit status (128 + signal if a signal ended it), once it has ended.
  std::optional<int> poll();
  void drain();
  void kill();  // SIGKILL to its whole group
  pid_t pid() const { return pid_; }

 private:
  Process(pid_t pid, int drain_signal) : pid_(pid), drain_signal_(drain_signal) {}

  pid_t pid_ = -1;
  int drain_signal_ = 0;
  std::optional<int> status_;
};

// The folder that this program's file lies in: its siblings are found there.
std::filesystem::path program_folder();

}  // namespace baton::deploy
