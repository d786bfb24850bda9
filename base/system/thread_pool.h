// ThreadPool: a fixed team that runs one parallel loop at a time; its threads sleep between loops.
//
// The caller is thread 0 and works too. Work is cut by index, so who computes what never changes a
// result. Invariant: run() returns after every index has been processed. Thread safety: one owner
// thread calls run(); the function is called from all threads of the team.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

namespace baton {

class ThreadPool {
 public:
  explicit ThreadPool(unsigned threads);  // at least 1: the caller alone
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  unsigned size() const { return static_cast<unsigned>(workers_.size()) + 1; }

  // Calls body(index, thread) for every index in [0, count); threads take indices as they get free.
  template <class Body>
  void run(size_t count, Body&& body) {
    const auto call = [](void* context, size_t index, unsigned thread) {
      (*static_cast<std::remove_reference_t<Body>*>(context))(index, thread);
    };
    run_loop(count, call, &body);
  }

 private:
  using Call = void (*)(void* context, size_t index, unsigned thread);
  void run_loop(size_t count, Call call, void* context);
  void work(unsigned thread);
  void take_indices(unsigned thread);

  std::vector<std::thread> workers_;
  Call call_ = nullptr;
  void* context_ = nullptr;
  size_t count_ = 0;
  std::atomic<size_t> next_{0};
  std::atomic<uint32_t> loop_{0};  // which loop is on; threads sleep until it changes
  std::atomic<uint32_t> busy_{0};  // workers that have not finished this loop
  std::atomic<bool> stopping_{false};
};

}  // namespace baton
