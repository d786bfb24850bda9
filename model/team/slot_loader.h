// SlotLoader: brings experts into a rank's spare room, on a thread of its own, while steps go on.
//
// The thread gives way to those that compute and runs where the one that made the loader does, not
// where a thread that computes is kept later. Weights wait here
// until their layer switches (take()); a move of a newer epoch lets go of what waited for an older
// one. Thread safety: one owner thread; `load` runs on the loader's.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "model/layers/weights.h"
#include "parallel/balance/balancer.h"

namespace baton::model {

class SlotLoader {
 public:
  using Load = std::function<Result<layers::MlpWeights>(const parallel::SlotMove&)>;

  explicit SlotLoader(Load load) : load_(std::move(load)), thread_([this] { loop(); }) {}
  ~SlotLoader();  // waits for the move that is being loaded
  SlotLoader(const SlotLoader&) = delete;
  SlotLoader& operator=(const SlotLoader&) = delete;

  void begin(const parallel::SlotMove& move);
  // Adds the moves that have ended since the last call.
  void tell(parallel::BalanceReport& report);
  // Waits until every move that was begun has ended, for tests and for whoever has nothing to do.
  void wait();

  struct Loaded {
    parallel::SlotMove move;
    layers::MlpWeights weights;
  };
  // What was loaded under this epoch, by slot; it is forgotten here.
  std::vector<Loaded> take(uint64_t epoch);

 private:
  void loop();

  Load load_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stop_ = false;
  std::vector<parallel::SlotMove> waiting_;          // the next one first
  bool busy_ = false;                                // one is being loaded
  std::vector<parallel::SlotMove> loaded_, failed_;  // not yet told
  std::map<uint32_t, Loaded> spare_;                 // by slot
  uint64_t epoch_ = 0;                               // of the newest move
  std::thread thread_;                               // the last, since it needs all others
};

}  // namespace baton::model
