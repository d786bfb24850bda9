#include "server/routes/work_queue.h"

#include <boost/asio/post.hpp>

namespace baton::server {

WorkQueue::WorkQueue(boost::asio::any_io_executor executor, unsigned threads, size_t limit)
    : executor_(std::move(executor)), queue_(limit) {
  for (unsigned i = 0; i < threads; ++i) {
    threads_.emplace_back([this] {
      while (auto job = queue_.pop()) {
        if (stopping_) continue;
        job->work();
        boost::asio::post(executor_, std::move(job->done));
      }
    });
  }
}

WorkQueue::~WorkQueue() {
  stopping_ = true;
  queue_.close();
  for (auto& thread : threads_) thread.join();
}

bool WorkQueue::run(std::function<void()> work, std::function<void()> done) {
  return queue_.push({std::move(work), std::move(done)});
}

}  // namespace baton::server
