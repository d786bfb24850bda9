#include "model/step_thread.h"

#include <boost/asio/post.hpp>

namespace baton::model {

StepThread::StepThread(boost::asio::any_io_executor executor, Runner& runner,
                       kvcache::PoolMemory& cache, StepEvents events)
    : executor_(std::move(executor)),
      runner_(runner),
      cache_(cache),
      events_(std::make_shared<const StepEvents>(std::move(events))),
      thread_([this] { loop(); }) {}

StepThread::~StepThread() {
  queue_.close();
  thread_.join();
}

void StepThread::run(StepId step, std::vector<SequenceRows> sequences) {
  check(queue_.push(Work{step, std::move(sequences)}),
        "two steps were given to one compute thread");
}

void StepThread::loop() {
  while (const auto next = queue_.pop()) work(*next);
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
