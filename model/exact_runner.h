// ExactRunner: the runner of mode `exact`: checkpoint weights, float32 everywhere.
//
// A step: all rows through the main layers; logits, sampling and verification of the rows that
// sample; then the MTP layer: entries for every row whose next token is known, a draft after the
// last accepted row. Buffers are sized at the start. Thread safety: as Runner.
#pragma once

#include <memory>
#include <vector>

#include "model/layers/network.h"
#include "model/runner.h"
#include "model/sampling.h"

namespace baton::model {

class ExactRunner final : public Runner {
 public:
  static Result<std::unique_ptr<ExactRunner>> create(const checkpoint::Checkpoint& checkpoint,
                                                     const RunnerOptions& options);

  kvcache::PageFormat page_format() const override;
  bool has_mtp() const override { return network_.has_mtp(); }
  std::vector<SequenceResult> step(std::span<const SequenceRows> sequences,
                                   kvcache::PoolMemory& cache,
                                   const std::function<void(uint32_t)>& layer_done) override;
  std::vector<std::vector<uint64_t>> expert_tokens() const override {
    return network_.expert_tokens();
  }

  layers::Network& network() { return network_; }  // to observe it

 private:
  ExactRunner(const checkpoint::ModelConfig& config, layers::Weights weights,
              const kernels::Kernels& kernels, std::unique_ptr<ThreadPool> pool,
              const RunnerOptions& options);

  void lay_out(std::span<const SequenceRows> sequences);
  void sample(std::span<const SequenceRows> sequences, std::span<const float> hidden,
              std::vector<SequenceResult>& results);
  void sample_group(std::span<const SequenceRows> sequences, std::span<const float> hidden,
                    std::vector<SequenceResult>& results);
  void verify(const SequenceRows& sequence, std::span<const float> logits, unsigned thread,
              SequenceResult& result);
  void run_mtp(std::span<const SequenceRows> sequences, kvcache::PoolMemory& cache,
               std::vector<SequenceResult>& results);
  void lay_out_mtp(const SequenceRows& sequence, uint32_t index, const SequenceResult& result);
  void draft(std::span<const SequenceRows> sequences, std::span<const float> hidden,
             std::vector<SequenceResult>& results);
  std::span<const float> logits_row(size_t row) const;

  RunnerOptions options_;
  const kernels::Kernels& kernels_;
  std::unique_ptr<ThreadPool> pool_;
  layers::Network network_;
  std::vector<Sampler> samplers_;  // one a thread

  layers::RowPlan plan_;
  std::vector<TokenId> tokens_;       // [rows]
  std::vector<uint32_t> first_rows_;  // [sequences]
  std::vector<float> logits_;         // [logits_rows_, vocab]
  size_t logits_rows_;
  struct Group {
    std::vector<uint32_t> sequences;
    std::vector<uint32_t> first;  // of each sequence's rows among `rows`
    std::vector<uint32_t> rows;
  } group_;

  layers::RowPlan mtp_plan_;
  std::vector<uint32_t> mtp_sources_;  // [MTP rows]: rows of the main pass
  std::vector<TokenId> mtp_next_;      // [MTP rows]
  layers::RowPlan draft_plan_;
  std::vector<uint32_t> draft_rows_;       // [drafting rows]: MTP rows
  std::vector<uint32_t> draft_sequences_;  // [drafting rows]
};

}  // namespace baton::model
