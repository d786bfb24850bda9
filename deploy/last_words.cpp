#include "deploy/last_words.h"

#include <algorithm>

namespace baton::deploy {

namespace {

// mpirun noticed that process rank 3 with PID 71 on node n exited on signal 9 (Killed).
std::optional<std::string> of_mpirun(std::string_view line) {
  constexpr std::string_view kProcess = "mpirun noticed that process rank ";
  const size_t begin = line.find(kProcess);
  const size_t how = line.find(" exited ");
  if (begin == std::string_view::npos || how == std::string_view::npos || how < begin) {
    return std::nullopt;
  }
  const std::string_view rest = line.substr(begin + kProcess.size());
  std::string words = "rank " + std::string(rest.substr(0, rest.find(' ')));
  words += line.substr(how);
  if (words.ends_with('.')) words.pop_back();
  return words;
}

// baton-decode (rank 3): The reason. Or: baton: broken invariant: what should have been.
std::optional<std::string> of_daemon(std::string_view line) {
  const bool named = line.starts_with("baton-") || line.starts_with("baton: ");
  if (!named || line.find(": ") == std::string_view::npos) return std::nullopt;
  return std::string(line);
}

}  // namespace

std::optional<std::string> last_words(std::string_view log) {
  std::optional<std::string> own, mpirun;
  while (!log.empty()) {
    const std::string_view line = log.substr(0, log.find('\n'));
    log.remove_prefix(std::min(log.size(), line.size() + 1));
    if (auto said = of_daemon(line)) own = std::move(said);
    if (auto said = of_mpirun(line)) mpirun = std::move(said);
  }
  return own ? own : mpirun;
}

}  // namespace baton::deploy
