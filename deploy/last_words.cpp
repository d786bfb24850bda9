#include "deploy/last_words.h"

#include <fstream>

namespace baton::deploy {

namespace {

constexpr std::streamoff kTailBytes = 8192;

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

// baton-decode (rank 3): The reason.
std::optional<std::string> of_daemon(std::string_view line) {
  if (!line.starts_with("baton-") || line.find(": ") == std::string_view::npos) return std::nullopt;
  return std::string(line);
}

}  // namespace

std::optional<std::string> last_words(std::string_view log) {
  std::optional<std::string> words;
  while (!log.empty()) {
    const std::string_view line = log.substr(0, log.find('\n'));
    log.remove_prefix(std::min(log.size(), line.size() + 1));
    if (auto said = of_daemon(line)) words = std::move(said);
    if (auto said = of_mpirun(line)) words = std::move(said);
  }
  return words;
}

std::optional<std::string> last_words_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary | std::ios::ate);
  if (!in) return std::nullopt;
  const std::streamoff size = in.tellg();
  in.seekg(std::max<std::streamoff>(0, size - kTailBytes));
  const std::string tail((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  return last_words(tail);
}

}  // namespace baton::deploy
