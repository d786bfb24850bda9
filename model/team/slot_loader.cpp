#include "model/team/slot_loader.h"

#include <sys/resource.h>
#include <unistd.h>

#include <utility>

namespace baton::model {

SlotLoader::~SlotLoader() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void SlotLoader::begin(const parallel::SlotMove& move) {
  {
    std::lock_guard lock(mutex_);
    if (move.epoch > epoch_) {
      epoch_ = move.epoch;
      waiting_.clear();
      spare_.clear();
    }
    waiting_.push_back(move);
  }
  changed_.notify_all();
}

void SlotLoader::tell(parallel::BalanceReport& report) {
  std::lock_guard lock(mutex_);
  report.loaded = std::exchange(loaded_, {});
  report.failed = std::exchange(failed_, {});
}

void SlotLoader::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return waiting_.empty() && !busy_; });
}

std::vector<SlotLoader::Loaded> SlotLoader::take(uint64_t epoch) {
  std::lock_guard lock(mutex_);
  std::vector<Loaded> taken;
  for (auto& [slot, loaded] : std::exchange(spare_, {})) {
    if (loaded.move.epoch == epoch) taken.push_back(std::move(loaded));
  }
  return taken;
}

void SlotLoader::loop() {
  // Of this thread alone; where it is not allowed, experts load with everybody's share.
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), 19);
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stop_ || !waiting_.empty(); });
    if (stop_) return;
    const parallel::SlotMove move = waiting_.front();
    waiting_.erase(waiting_.begin());
    busy_ = true;
    lock.unlock();
    auto weights = load_(move);
    lock.lock();
    busy_ = false;
    if (move.epoch == epoch_) {
      (weights ? loaded_ : failed_).push_back(move);
      if (weights) spare_.insert_or_assign(move.slot, Loaded{move, std::move(*weights)});
    }
    changed_.notify_all();
  }
}

}  // namespace baton::model
