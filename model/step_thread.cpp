#include "model/step_thread.h"

#include <boost/asio/post.hpp>
#include <utility>

namespace baton::model {

namespace {
constexpr auto kEmptyStepsEvery = std::chrono::milliseconds(2);
}

StepThread::StepThread(boost::asio::any_io_executor executor, Runner& runner,
                       kvcache::PoolMemory& cache, StepEvents events)
    : executor_(std::move(executor)),
      runner_(runner),
      cache_(cache),
      events_(std::make_shared<const StepEvents>(std::move(events))),
      thread_([this] { loop(); }) {}

StepThread::~StepThread() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wanted_.notify_one();
  thread_.join();
}

void StepThread::run(StepId step, std::vector<SequenceRows> sequences) {
  {
    std::lock_guard lock(mutex_);
    check(!next_, "two steps were given to one compute thread");
    next_ = Work{step, std::move(sequences)};
  }
  wanted_.notify_one();
}

void StepThread::rebalance() {
  {
    std::lock_guard lock(mutex_);
    rebalance_ = true;
  }
  wanted_.notify_one();
}

void StepThread::loop() {
  std::unique_lock lock(mutex_);
  const auto wanted = [this] { return stop_ || next_ || rebalance_; };
  for (;;) {
    if (runner_.settled()) {
      wanted_.wait(lock, wanted);
    } else {
      wanted_.wait_for(lock, kEmptyStepsEvery, wanted);
    }
    if (stop_ && !next_) return;
    if (std::exchange(rebalance_, false)) runner_.rebalance();
    const auto next = std::exchange(next_, std::nullopt);
    lock.unlock();
    if (next) {
      work(*next);
    } else {
      runner_.step({}, cache_, {});
    }
    lock.lock();
  }
}

void StepThread::work(const Work& work) {
  const std::weak_ptr<const StepEvents> events = events_;
  const auto layer_done = [this, &work, &events](uint32_t layer) {
    if (!events_->on_layer) return;
    boost::asio::post(executor_, [events, step = work.step, layer] {
      if (const auto listening = events.lock()) listening->on_layer(step, layer);
    });
  };
  auto results = runner_.step(work.sequences, cache_, layer_done);
  boost::asio::post(executor_, [events, step = work.step, results = std::move(results)]() mutable {
    if (const auto listening = events.lock()) listening->on_done(step, std::move(results));
  });
}

}  // namespace baton::model
