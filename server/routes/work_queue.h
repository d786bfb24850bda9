// WorkQueue: a few threads for what would hold up the I/O thread: parsing and tokenizing big
// bodies.
//
// run() does `work` on one of the threads and then `done` on the executor; it refuses when the
// queue is full. Destroying it waits for the work that has begun and drops the rest.
// Thread safety: run() from the I/O thread; `work` runs elsewhere and must share nothing.
#pragma once

#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <thread>
#include <vector>

#include "base/io/queue.h"

namespace baton::server {

class WorkQueue {
 public:
  WorkQueue(boost::asio::any_io_executor executor, unsigned threads, size_t limit);
  ~WorkQueue();
  WorkQueue(const WorkQueue&) = delete;
  WorkQueue& operator=(const WorkQueue&) = delete;

  bool run(std::function<void()> work, std::function<void()> done);

 private:
  struct Job {
    std::function<void()> work;
    std::function<void()> done;
  };
  boost::asio::any_io_executor executor_;
  BoundedQueue<Job> queue_;
  std::atomic<bool> stopping_{false};
  std::vector<std::thread> threads_;
};

}  // namespace baton::server
