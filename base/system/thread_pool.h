// ThreadPool: a fixed team that runs one parallel loop at a time.
//
// The caller is thread 0 and works too. Work is cut by index, so who computes what never changes a
// result. Threads take the next index as they get free, and nobody waits for a thread that has not
// come: a loop whose workers have no processor (somebody else's program runs there) is done by the
// caller alone. Between loops a worker watches for the next one for some fifty microseconds, then
// it sleeps; so does the caller at the end of a loop whose last indices are others'. A loop that
// finds its workers awake costs no system call. Invariant: run() returns after every index has been
// processed. Thread safety: one owner thread calls run(); the function is called from all threads
// of the team.
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
  void run_slice(size_t first, size_t count);
  void work(unsigned thread);
  bool take_index(size_t& index);
  void take_indices(unsigned thread);
  template <class Ready>
  bool watch(Ready&& ready) const;

  std::vector<std::thread> workers_;
  unsigned watch_rounds_;  // of pauses before a thread sleeps
  Call call_ = nullptr;
  void* context_ = nullptr;
  size_t first_ = 0;  // index of the loop's slice
  // Loop, count and next index in one word, so that a late worker can't take an index of a loop
  // whose count it has not seen.
  alignas(64) std::atomic<uint64_t> ticket_{0};
  alignas(64) std::atomic<uint32_t> done_{0};  // indices of this loop that have been processed
  std::atomic<uint32_t> owner_sleeps_{0};
  alignas(64) std::atomic<uint32_t> wake_{0};  // what workers sleep on
  std::atomic<uint32_t> sleepers_{0};
  std::atomic<bool> stopping_{false};
};

}  // namespace baton
