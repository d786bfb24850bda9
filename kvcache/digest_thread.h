// DigestThread: computes the digests of a hand-off's pages beside the I/O and compute threads.
//
// What `running` has of a page is not read again. The pages must stay as they are until the answer.
// Orders are answered in turn, on the executor, never from inside digest(); how many may wait is
// their owner's to bound (one a job). Destroying it waits for the digest in work, drops the orders
// behind it and silences all answers. Thread safety: one executor; the memory is read on a thread
// of its own.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/thread_pool.hpp>
#include <functional>
#include <memory>
#include <vector>

#include "kvcache/running_digests.h"
#include "proto/ids.h"

namespace baton::kvcache {

class DigestThread {
 public:
  using OnDone = std::function<void(JobId, std::vector<Digest>)>;

  // `memory` and `running` (nullptr: none) outlive it.
  DigestThread(boost::asio::any_io_executor executor, const PoolMemory& memory, OnDone on_done,
               RunningDigests* running = nullptr);
  ~DigestThread();
  DigestThread(const DigestThread&) = delete;
  DigestThread& operator=(const DigestThread&) = delete;

  // `tokens` over all pages: the last may be partial.
  void digest(JobId job, std::vector<PageId> pages, uint32_t tokens);

 private:
  boost::asio::any_io_executor executor_;
  const PoolMemory& memory_;
  RunningDigests* running_;                // of the executor
  std::shared_ptr<const OnDone> on_done_;  // what is posted back holds a weak reference
  boost::asio::thread_pool thread_{1};
};

}  // namespace baton::kvcache
