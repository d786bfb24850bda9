#include "base/system/thread_pool.h"

namespace baton {

ThreadPool::ThreadPool(unsigned threads) {
  for (unsigned t = 1; t < threads; ++t) workers_.emplace_back([this, t] { work(t); });
}

ThreadPool::~ThreadPool() {
  stopping_.store(true);
  loop_.fetch_add(1);
  loop_.notify_all();
  for (auto& worker : workers_) worker.join();
}

void ThreadPool::take_indices(unsigned thread) {
  for (size_t i = next_.fetch_add(1); i < count_; i = next_.fetch_add(1)) {
    call_(context_, i, thread);
  }
}

void ThreadPool::run_loop(size_t count, Call call, void* context) {
  if (workers_.empty() || count <= 1) {
    for (size_t i = 0; i < count; ++i) call(context, i, 0);
    return;
  }
  call_ = call;
  context_ = context;
  count_ = count;
  next_.store(0);
  busy_.store(static_cast<uint32_t>(workers_.size()));
  loop_.fetch_add(1);
  loop_.notify_all();
  take_indices(0);
  for (uint32_t left = busy_.load(); left != 0; left = busy_.load()) busy_.wait(left);
}

void ThreadPool::work(unsigned thread) {
  uint32_t seen = 0;
  while (true) {
    loop_.wait(seen);
    seen = loop_.load();
    if (stopping_.load()) return;
    take_indices(thread);
    if (busy_.fetch_sub(1) == 1) busy_.notify_one();
  }
}

}  // namespace baton
