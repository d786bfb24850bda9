// Runs a function as each rank of a hub, on a thread of its own.
#pragma once

#include <functional>
#include <thread>
#include <vector>

#include "parallel/exchange/local_port.h"

namespace baton::parallel::testing {

inline void on_ranks(uint32_t ranks, const std::function<void(Port&)>& body) {
  LocalHub hub(ranks);
  std::vector<std::thread> threads;
  for (uint32_t r = 0; r < ranks; ++r) {
    threads.emplace_back([&hub, &body, r] {
      const auto port = hub.port(r);
      body(*port);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace baton::parallel::testing
