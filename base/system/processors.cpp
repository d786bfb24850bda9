#include "base/system/processors.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <map>

namespace baton {
namespace {

constexpr unsigned kIdsMax = CPU_SETSIZE;

std::optional<unsigned> number(std::string_view text) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// A processor's folder has a link to its node: "node1".
unsigned node_of(const std::filesystem::path& folder) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with("node")) continue;
    if (const auto node = number(std::string_view(name).substr(4))) return *node;
  }
  return 0;
}

// The first processor of its core.
unsigned core_of(const std::filesystem::path& folder, unsigned id) {
  std::ifstream file(folder / "topology" / "thread_siblings_list");
  std::string line;
  if (!std::getline(file, line)) return id;
  const auto siblings = parse_processors(line);
  return siblings && !siblings->empty() ? std::ranges::min(*siblings) : id;
}

}  // namespace

std::vector<Processor> processors(const std::filesystem::path& system) {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return {};
  std::vector<Processor> all;
  std::vector<unsigned> cores;
  for (unsigned id = 0; id < kIdsMax; ++id) {
    if (!CPU_ISSET(id, &set)) continue;
    const auto folder = system / "cpu" / fmt::format("cpu{}", id);
    const unsigned core = core_of(folder, id);
    const bool sibling = std::ranges::find(cores, core) != cores.end();
    cores.push_back(core);
    all.push_back({id, node_of(folder), sibling});
  }
  std::ranges::stable_sort(all, {}, &Processor::node);
  return all;
}

std::optional<std::vector<std::vector<unsigned>>> place_ranks(
    std::span<const Processor> there, std::span<const uint32_t> threads_by_rank) {
  std::map<unsigned, std::vector<unsigned>> free;  // cores by node
  size_t left = 0;
  for (const Processor& processor : there) {
    if (processor.sibling) continue;
    free[processor.node].push_back(processor.id);
    ++left;
  }
  std::vector<std::vector<unsigned>> ranks;
  for (const uint32_t threads : threads_by_rank) {
    if (left < size_t{threads} + 1) return std::nullopt;
    left -= threads;
    auto from =
        std::ranges::find_if(free, [&](const auto& node) { return node.second.size() >= threads; });
    if (from == free.end()) from = free.begin();
    std::vector<unsigned>& mine = ranks.emplace_back();
    for (; mine.size() < threads; from = free.begin()) {
      auto& cores = from->second;
      const size_t count = std::min(cores.size(), threads - mine.size());
      mine.insert(mine.end(), cores.begin(), cores.begin() + static_cast<ptrdiff_t>(count));
      cores.erase(cores.begin(), cores.begin() + static_cast<ptrdiff_t>(count));
      if (cores.empty()) free.erase(from);
    }
  }
  return ranks;
}

Result<std::vector<unsigned>> parse_processors(std::string_view text) {
  std::vector<unsigned> ids;
  const auto refuse = [&] {
    return fail(ErrorCode::invalid_argument,
                "\"{}\" is no list of processors such as 0-3,8; ids are below {}", text, kIdsMax);
  };
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    const std::string_view part = text.substr(begin, end - begin);
    const size_t dash = part.find('-');
    const auto first = number(part.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : number(part.substr(dash + 1));
    if (!first || !last || *last < *first || *last >= kIdsMax) return refuse();
    for (unsigned id = *first; id <= *last; ++id) ids.push_back(id);
    begin = end + 1;
    if (begin == text.size()) return refuse();
  }
  return ids;
}

std::string processors_text(std::span<const unsigned> ids) {
  return fmt::format("{}", fmt::join(ids, ","));
}

Result<void> run_on(std::span<const unsigned> ids) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const unsigned id : ids) CPU_SET(id, &set);
  if (sched_setaffinity(0, sizeof set, &set) == 0) return {};
  return fail(ErrorCode::invalid_argument, "can't run on processors {}: {}", processors_text(ids),
              std::strerror(errno));
}

Result<void> run_near(std::span<const unsigned> ids) {
  const auto there = processors();
  std::vector<unsigned> near;
  for (const Processor& processor : there) {
    const bool same_node = std::ranges::any_of(there, [&](const Processor& mine) {
      return mine.node == processor.node && std::ranges::find(ids, mine.id) != ids.end();
    });
    if (same_node) near.push_back(processor.id);
  }
  return run_on(near);
}

// No thread ends its index before every thread has one.
Result<void> pin_threads(ThreadPool& pool, std::span<const unsigned> ids) {
  check(ids.size() == pool.size(), "each thread has a processor");
  std::atomic<size_t> come = 0;
  std::vector<std::optional<Error>> errors(pool.size());
  pool.run(pool.size(), [&](size_t, unsigned thread) {
    if (const auto done = run_on(ids.subspan(thread, 1)); !done) errors[thread] = done.error();
    come.fetch_add(1);
    come.notify_all();
    for (size_t seen = come.load(); seen < pool.size(); seen = come.load()) come.wait(seen);
  });
  for (const auto& error : errors) {
    if (error) return *error;
  }
  return {};
}

}  // namespace baton
