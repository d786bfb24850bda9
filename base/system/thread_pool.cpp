#include "base/system/thread_pool.h"

#include <algorithm>

#include "base/system/cpu.h"

namespace baton {
namespace {

// A ticket: loop (24 bits), count (20), next index (20). Threads that come too late add to the next
// index, so a slice leaves room for one each.
constexpr unsigned kBits = 20;
constexpr uint64_t kMask = (uint64_t{1} << kBits) - 1;
constexpr size_t kSliceMax = kMask - 1023;

constexpr uint64_t next_of(uint64_t ticket) { return ticket & kMask; }
constexpr uint64_t count_of(uint64_t ticket) { return ticket >> kBits & kMask; }

// Some fifty microseconds, on processors whose pause takes 40 to 140 cycles: longer than what one
// thread does alone between two loops of a step.
constexpr unsigned kRounds = 150;
constexpr unsigned kPauses = 16;  // a round

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

// Where threads outnumber processors, whoever watches keeps another from working.
ThreadPool::ThreadPool(unsigned threads) : watch_rounds_(threads > cpu_count() ? 0 : kRounds) {
  for (unsigned t = 1; t < threads; ++t) workers_.emplace_back([this, t] { work(t); });
}

ThreadPool::~ThreadPool() {
  stopping_.store(true);
  wake_.fetch_add(1);
  wake_.notify_all();
  for (auto& worker : workers_) worker.join();
}

template <class Ready>
bool ThreadPool::watch(Ready&& ready) const {
  for (unsigned round = 0; round < watch_rounds_; ++round) {
    if (ready()) return true;
    for (unsigned i = 0; i < kPauses; ++i) pause();
  }
  return ready();
}

bool ThreadPool::take_index(size_t& index) {
  uint64_t ticket = ticket_.load(std::memory_order_acquire);
  if (next_of(ticket) >= count_of(ticket)) return false;  // without adding to it
  ticket = ticket_.fetch_add(1, std::memory_order_acq_rel);
  index = next_of(ticket);
  return index < count_of(ticket);
}

// While an index is taken its loop can't end, so what it calls stays as it is.
void ThreadPool::take_indices(unsigned thread) {
  for (size_t index = 0; take_index(index);) {
    call_(context_, first_ + index, thread);
    done_.fetch_add(1);
    if (owner_sleeps_.load() != 0) done_.notify_one();
  }
}

void ThreadPool::run_loop(size_t count, Call call, void* context) {
  if (workers_.empty() || count <= 1) {
    for (size_t i = 0; i < count; ++i) call(context, i, 0);
    return;
  }
  call_ = call;
  context_ = context;
  for (size_t first = 0; first < count; first += kSliceMax) {
    run_slice(first, std::min(kSliceMax, count - first));
  }
}

void ThreadPool::run_slice(size_t first, size_t count) {
  first_ = first;
  done_.store(0);
  const uint64_t loop = (ticket_.load() >> 2 * kBits) + 1;
  ticket_.store(loop << 2 * kBits | uint64_t{count} << kBits);
  if (sleepers_.load() != 0) {
    wake_.fetch_add(1);
    wake_.notify_all();
  }
  take_indices(0);
  const auto finished = [&] { return done_.load() == count; };
  if (watch(finished)) return;
  owner_sleeps_.store(1);
  for (uint32_t done = done_.load(); done != count; done = done_.load()) done_.wait(done);
  owner_sleeps_.store(0);
}

void ThreadPool::work(unsigned thread) {
  const auto has_work = [this] {
    const uint64_t ticket = ticket_.load();
    return next_of(ticket) < count_of(ticket) || stopping_.load();
  };
  while (true) {
    if (!watch(has_work)) {
      const uint32_t woken = wake_.load();
      sleepers_.fetch_add(1);
      if (!has_work()) wake_.wait(woken);
      sleepers_.fetch_sub(1);
      continue;
    }
    if (stopping_.load()) return;
    take_indices(thread);
  }
}

}  // namespace baton
