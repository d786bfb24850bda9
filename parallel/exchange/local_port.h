// LocalHub: ports between threads of one process: the ranks of an instance without MPI, for tests.
//
// Messages are copied when they are sent. Thread safety: the hub may be shared; each port belongs
// to one thread. The hub outlives its ports.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "parallel/exchange/port.h"

namespace baton::parallel {

class LocalHub {
 public:
  explicit LocalHub(uint32_t ranks) : ranks_(ranks) {}
  std::unique_ptr<Port> port(uint32_t rank);
  uint32_t ranks() const { return ranks_; }

 private:
  friend class LocalPort;
  struct Way {  // of one tag, from one rank to another
    uint32_t from, to;
    Tag tag;
    auto operator<=>(const Way&) const = default;
  };
  struct Messages {
    uint64_t sent = 0;
    std::map<uint64_t, std::vector<std::byte>> waiting;  // by their number
  };

  uint32_t ranks_;
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::map<Way, Messages> messages_;
};

// The only rank of an instance.
std::unique_ptr<Port> lone_port();

}  // namespace baton::parallel
