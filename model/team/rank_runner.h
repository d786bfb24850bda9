// RankRunner: one rank's part of a step, in any numeric mode.
//
// A step: the own rows through the main layers, with all other ranks; logits, sampling and
// verification of the sequences whose sampled rows it owns; then the MTP layer: entries for every
// own row whose next token is known, drafts after the last accepted row of each own sequence.
// Buffers are sized at the start. Thread safety: one compute thread.
#pragma once

#include <memory>
#include <vector>

#include "model/layers/network.h"
#include "model/runner.h"
#include "model/sampling.h"
#include "model/team/slot_loader.h"
#include "model/team/step_plan.h"

namespace baton::model {

// What one rank must know of a step.
struct RankStep {
  std::span<const SequenceRows> sequences;  // of its DP group
  const GroupPlan* group = nullptr;
  std::array<std::span<const uint32_t>, kBatchesMax> sources;  // [batches][ranks]
  std::span<const std::vector<uint32_t>> draft_sources;        // [depths][ranks]
};

class RankRunner {
 public:
  // Reads the weights that rank `port.rank()` of the layout owns. Checkpoint and port outlive it.
  static Result<std::unique_ptr<RankRunner>> create(const checkpoint::Checkpoint& checkpoint,
                                                    const RunnerOptions& options,
                                                    parallel::Port& port);

  kvcache::PageFormat page_format() const;
  bool has_mtp() const { return network_.has_mtp(); }
  uint32_t batches() const { return batches_; }
  uint32_t expert_layers() const { return static_cast<uint32_t>(expert_layers_.size()); }

  // Results are filled in for the sequences of `step` of which this rank has something to say.
  void step(const RankStep& step, kvcache::PoolMemory& cache,
            const std::function<void(uint32_t)>& layer_done, std::span<SequenceResult> results);
  // These sequences of the last step: those whose sampled rows it owns, and those of which it has
  // scored rows.
  std::span<const uint32_t> answered() const { return answered_; }

  // Before a step: lets a layer's new placement serve, and begins to load what is to come.
  void follow(const parallel::BalanceOrders& orders);
  // After it, if the orders ask this rank.
  parallel::BalanceReport report(const parallel::BalanceOrders& orders);

  layers::Network& network() { return network_; }  // to observe it
  SlotLoader& loader() { return loader_; }

 private:
  struct OwnRow {
    uint32_t sequence = 0;
    uint32_t row = 0;  // of the sequence's rows in this step
  };
  RankRunner(const checkpoint::Checkpoint& checkpoint,
             std::unique_ptr<const checkpoint::PackedFile> packed, layers::Weights weights,
             layers::Network::Placements placements, const kernels::Kernels& kernels,
             std::unique_ptr<ThreadPool> pool, const RunnerOptions& options, parallel::Port& port);

  void lay_out(const RankStep& step);
  void add_rows(const RankStep& step, uint32_t begin, uint32_t end, layers::RowPlan& plan);
  void own_rows(const RankStep& step, uint32_t begin, uint32_t end);
  void sample(std::span<const float> hidden, std::span<SequenceResult> results);
  void sample_group(std::span<const float> hidden, std::span<SequenceResult> results);
  void verify(const SequenceRows& sequence, std::span<const float> logits, unsigned thread,
              SequenceResult& result);
  void score(std::span<const float> hidden, std::span<SequenceResult> results);
  void run_mtp(const RankStep& step, std::span<const float> hidden, kvcache::PoolMemory& cache,
               std::span<SequenceResult> results);
  void share_accepted(const RankStep& step, std::span<const SequenceResult> results);
  void lay_out_mtp(std::span<const SequenceResult> results);
  std::optional<TokenId> token_after(OwnRow own, std::span<const SequenceResult> results) const;
  void draft(const DraftPlan& drafts, uint32_t depth, const RankStep& step,
             kvcache::PoolMemory& cache, std::span<SequenceResult> results);
  void lay_out_deeper(std::span<const uint32_t> own, uint32_t depth,
                      std::span<const SequenceResult> results);
  Position drafting_position(uint32_t sequence, uint32_t depth) const;
  void choose_drafts(std::span<const uint32_t> drafting, uint32_t depth,
                     std::span<SequenceResult> results);
  std::span<const float> logits_row(size_t row) const;

  RunnerOptions options_;
  checkpoint::NumericMode mode_;
  std::unique_ptr<const checkpoint::PackedFile> packed_;  // of a mode that packs
  uint32_t rank_;
  uint32_t index_;  // in the DP group
  uint32_t batches_;
  const kernels::Kernels& kernels_;
  std::unique_ptr<ThreadPool> pool_;
  bool pinned_ = false;
  layers::Network network_;
  parallel::TensorGroup group_;
  std::vector<Sampler> samplers_;  // one a thread

  std::span<const SequenceRows> sequences_;
  std::array<layers::RowPlan, kBatchesMax> plans_;
  std::array<std::vector<uint32_t>, kBatchesMax> bounds_;  // of each plan's rows
  std::vector<layers::Batch> passes_;
  std::vector<OwnRow> own_;            // in the order of the pass
  std::vector<TokenId> tokens_;        // [own rows]
  std::vector<uint32_t> owned_;        // sequences
  std::vector<uint32_t> tails_;        // [owned]: own row of the first sampled row
  std::vector<uint32_t> answered_;     // sequences: owned, then scored
  std::vector<uint32_t> scored_rows_;  // own rows
  std::vector<PromptScore> scores_;    // [logits_rows_]
  std::vector<float> logits_;          // [logits_rows_, vocab]
  size_t logits_rows_;
  struct Group {
    std::vector<uint32_t> sequences;
    std::vector<uint32_t> first;  // of each sequence's rows among `rows`
    std::vector<uint32_t> rows;
  } group_rows_;

  std::vector<uint32_t> accepted_;  // [drafting sequences of the group]: tokens of their results
  std::vector<uint32_t> sampled_;   // [sequences of the group]: the same, of those that draft
  layers::RowPlan mtp_plan_;
  std::vector<uint32_t> mtp_sources_;  // [MTP rows]: own rows of the main pass
  std::vector<TokenId> mtp_next_;      // [MTP rows]
  std::vector<uint32_t> last_mtp_;     // [sequences]: the MTP row of its last accepted token
  layers::RowPlan draft_plan_;
  std::vector<uint32_t> draft_rows_;   // [own drafting sequences]: MTP rows
  std::span<const float> mtp_hidden_;  // [own drafting sequences, hidden], of the last depth
  std::vector<uint32_t> drafters_;     // own sequences of the last depth's drafts, in order

  std::vector<uint32_t> expert_layers_;  // cache layers with experts
  SlotLoader loader_;
};

}  // namespace baton::model
