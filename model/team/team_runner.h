// TeamRunner: the runner of a whole instance, on its rank 0: shares each step out and collects the
// results. StepServer: the same step on every other rank.
//
// A step: rank 0 rings the doorbell, all ranks hear the header, the ranks of each DP group with
// rows hear its sequences, all run together, and who owned rows answers. Between steps the others
// sleep on the doorbell, outside MPI. Thread safety: one compute thread each.
#pragma once

#include <functional>
#include <memory>
#include <mutex>

#include "base/clock.h"
#include "model/team/rank_runner.h"
#include "model/team/step_wire.h"

namespace baton::model {

class TeamRunner final : public Runner {
 public:
  // `port` is rank 0's; `wake` tells the other ranks that a step begins; `clock` says when experts
  // are to be placed anew. They outlive it.
  static Result<std::unique_ptr<TeamRunner>> create(const checkpoint::Checkpoint& checkpoint,
                                                    const RunnerOptions& options,
                                                    parallel::Port& port,
                                                    std::function<void()> wake, const Clock& clock);
  ~TeamRunner() override;  // tells the other ranks to stop

  kvcache::PageFormat page_format() const override { return rank_->page_format(); }
  bool has_mtp() const override { return rank_->has_mtp(); }
  std::vector<SequenceResult> step(std::span<const SequenceRows> sequences,
                                   kvcache::PoolMemory& cache,
                                   const std::function<void(uint32_t)>& layer_done) override;
  void rebalance() override { balancer_.rebalance(); }
  bool settled() const override { return balancer_.settled(); }
  parallel::BalanceView balance() const override;

  RankRunner& rank() { return *rank_; }

 private:
  TeamRunner(std::unique_ptr<RankRunner> rank, const checkpoint::ModelConfig& config,
             const RunnerOptions& options, parallel::Port& port, std::function<void()> wake,
             const Clock& clock);
  void tell(std::span<const SequenceRows> sequences, const StepPlan& plan,
            const parallel::BalanceOrders& orders);
  void hear_reports(const parallel::BalanceOrders& orders);
  void collect(const StepPlan& plan, std::span<SequenceResult> results);

  std::unique_ptr<RankRunner> rank_;
  StepShape shape_;
  parallel::Port& port_;
  std::function<void()> wake_;
  const Clock& clock_;
  parallel::Balancer balancer_;
  mutable std::mutex view_mutex_;
  parallel::BalanceView view_;
  std::vector<SequenceRows> own_group_;
  std::vector<SequenceResult> own_results_;
  std::vector<std::byte> message_;
};

class StepServer {
 public:
  StepServer(RankRunner& rank, parallel::Port& port, uint32_t tp);

  // Takes part in one step; false if there will be none again. To be called after a wake.
  bool serve(kvcache::PoolMemory& cache);

 private:
  RankRunner& rank_;
  parallel::Port& port_;
  uint32_t tp_;
  std::vector<std::byte> message_;
  GroupStep group_;
  GroupPlan no_rows_;
  std::vector<SequenceResult> results_;
};

}  // namespace baton::model
