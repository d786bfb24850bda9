// StepThread: the compute thread of an instance: runs one step at a time, tells its executor.
//
// What the rows' spans point to must stay as it is until on_done. Layers are told as they finish,
// in order, before on_done. Destroying it waits for the step in flight and silences its events.
// Thread safety: run() and the events on one executor; the steps on the thread.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "base/io/queue.h"
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

  void run(StepId step, std::vector<SequenceRows> sequences);

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
  BoundedQueue<Work> queue_{1};
  std::thread thread_;
};

}  // namespace baton::model
