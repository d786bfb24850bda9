// ExactAttention: how rows attend in modes `exact` and `bf16`: weights as the checkpoint has them,
// the canonical kernels. Entries are float32, or BF16 that is widened block by block, after which
// the arithmetic is the same.
//
// Thread safety: see Attention.
#pragma once

#include "model/layers/attention/attention.h"

namespace baton::layers {

class ExactAttention final : public Attention {
 public:
  ExactAttention(const checkpoint::ModelConfig& config, uint32_t tp, uint32_t rows_max,
                 kernels::Team& team, checkpoint::EntryForm entries);

 protected:
  size_t entry_bytes() const override { return entry_ * (widens_ ? 2 : sizeof(float)); }
  void store_entry(const float* entry, std::byte* to) const override;
  void attend_rows(const Pass& pass) override;

 private:
  struct ThreadBuffers {
    std::vector<float> entries;   // [64, entry], of a block that is widened
    std::vector<float> expanded;  // keys [64, qk] and values [64, v]; or key rows [nope, kv_lora]
    std::vector<float> scores;    // [rows or heads of an item, 64]
    std::vector<float> corrections;  // [the same]
    std::vector<uint32_t> counts;    // [the same]
    std::vector<kernels::RunningSoftmax> states;
  };

  void prefill_runs(const Pass& pass);
  void prefill_head(const Pass& pass, const Run& run, size_t head, unsigned thread);
  void expand_block(const Pass& pass, const float* entries, size_t count, size_t head,
                    unsigned thread);
  void decode_rows(const Pass& pass, std::span<const uint32_t> rows);
  void absorb_head(const Pass& pass, std::span<const uint32_t> rows, size_t head, unsigned thread);
  void attend_latent(const Pass& pass, uint32_t row, size_t slot, size_t head, size_t heads,
                     unsigned thread);
  void finish(const kernels::RunningSoftmax& state, float* out, size_t n) const;
  // The first `count` entries of a block as float32. [count, entry]
  const float* block_entries(const Pass& pass, std::span<const PageId> pages, size_t block,
                             size_t count, unsigned thread);

  bool widens_;                    // entries are BF16
  std::vector<float> absorbed_;    // [decode group, heads, entry]
  std::vector<float> attended_;    // [decode group, heads, latent]
  std::vector<float> expanded_;    // [decode group, heads, v]
  std::vector<uint32_t> prefill_;  // indices of the plan's prefill runs
  std::vector<ThreadBuffers> threads_;
};

}  // namespace baton::layers
