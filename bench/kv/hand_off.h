// HandOffs: the two ends of the hand-off as prefill and decode have them, an I/O thread and a
// digest thread each, in one process. Only the orders between them (reserve, seal, commit), which
// are gRPC messages in a cluster, are posted from loop to loop here.
//
// run() is called from one thread that is not among these, one hand-off at a time.
#pragma once

#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "kvcache/pool_memory.h"

namespace baton::bench {

// How layers are finished, and what carries them. The defaults: all at once, as fast as it goes.
struct Production {
  double tokens_per_second = 0;      // of the prefill; 0: all layers are finished already
  uint32_t chunk_tokens = 2048;      // of one step
  double link_bytes_per_second = 0;  // frames are given to the sender no faster; 0: at once
};

struct HandOffTimes {
  Duration to_landed{};  // from the order to open until the last block was verified
  Duration to_commit{};
  Duration prefill{};  // from the first step's begin to the last layer's end; 0: all at once
  Duration exposed{};  // from the last layer's end to the commit
};

class HandOffs {
 public:
  // The pools have one format and outlive it. With `shared_memory` the receiver maps the source.
  HandOffs(kvcache::PoolMemory& source, kvcache::PoolMemory& target, bool shared_memory,
           const Clock& clock);
  ~HandOffs();
  HandOffs(const HandOffs&) = delete;
  HandOffs& operator=(const HandOffs&) = delete;

  // Hands the source's first pages over. Error: unavailable, what went wrong or did not end.
  Result<HandOffTimes> run(uint32_t tokens, const Production& production);

  // Whether the last committed pages hold the source's bytes; asked between runs.
  bool equal() const;

 private:
  class Sending;
  class Receiving;

  const kvcache::PoolMemory& source_;
  const kvcache::PoolMemory& target_;
  std::unique_ptr<Receiving> receiving_;
  std::unique_ptr<Sending> sending_;
  const Clock& clock_;
  uint32_t tokens_ = 0;        // of the last that was committed
  std::vector<PageId> pages_;  // at the receiver
  uint64_t jobs_ = 0;
};

}  // namespace baton::bench
