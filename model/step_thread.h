// StepThread: the compute thread of an instance: runs one step at a time, tells its executor.
//
// While experts are to move and nobody gives it a step, it takes empty ones until they are settled.
// What the rows' spans point to must stay as it is until on_done. Layers are told as they finish,
// in order, before on_done. Destroying it waits for the step in flight and silences its events.
// Thread safety: run() and the events on one executor; the steps on the thread.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "kvcache/pool_memory.h"
#include "model/runner.h"
#include "proto/ids.h"

namespace baton::model {

struct StepEvents {
  std::function<void(StepId, uint32_t layer)> on_layer;  // may be empty
  std::function<void(StepId, std::vector<SequenceResult>)> on_done;
};

class StepThread {
 public:
  // `runner` and `cache` outlive it.
  StepThread(boost::asio::any_io_executor executor, Runner& runner, kvcache::PoolMemory& cache,
             StepEvents events);
  ~StepThread();
  StepThread(const StepThread&) = delete;
  StepThread& operator=(const StepThread&) = delete;

  // Not before on_done of the step before.
  void run(StepId step, std::vector<SequenceRows> sequences);
  // Places the experts anew (Runner::rebalance).
  void rebalance();

 private:
  struct Work {
    StepId step;
    std::vector<SequenceRows> sequences;
  };
  void loop();
  void work(const Work& work);

  boost::asio::any_io_executor executor_;
  Runner& runner_;
  kvcache::PoolMemory& cache_;
  std::shared_ptr<const StepEvents> events_;  // posted events hold a weak reference
  std::mutex mutex_;
  std::condition_variable wanted_;
  std::optional<Work> next_;
  bool rebalance_ = false;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace baton::model
