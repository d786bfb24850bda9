// Processors: which there are, which of them ranks get for themselves, and threads that stay there.
//
// A thread that stays on a processor has its caches to itself and touches memory of its own node
// first, which is where the system then puts it. Thread safety: values, functions.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/system/thread_pool.h"

namespace baton {

struct Processor {
  unsigned id = 0;
  unsigned node = 0;     // of memory
  bool sibling = false;  // another one of its core comes before it
};

// Those that the calling thread may run on, node by node. What the system doesn't say is taken for
// one node and a core each.
std::vector<Processor> processors(const std::filesystem::path& system = "/sys/devices/system");

// A core for each thread of each rank, the cores of a rank on one node where one has as many left.
// Nothing unless every thread has a core of its own and one is left over for everything else.
std::optional<std::vector<std::vector<unsigned>>> place_ranks(
    std::span<const Processor> there, std::span<const uint32_t> threads_by_rank);

// "0-3,8": ids, in that order. Refused is what is no such list.
Result<std::vector<unsigned>> parse_processors(std::string_view text);
std::string processors_text(std::span<const unsigned> ids);

// The calling thread, and those it starts later, run on these alone.
Result<void> run_on(std::span<const unsigned> ids);
// On these and all others of their nodes.
Result<void> run_near(std::span<const unsigned> ids);
// Thread t of the pool runs on ids[t] alone; as many ids as threads. By the pool's owner.
Result<void> pin_threads(ThreadPool& pool, std::span<const unsigned> ids);

}  // namespace baton
