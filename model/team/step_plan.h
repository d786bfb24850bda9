// StepPlan: how the rows of one step are split over the ranks of an instance.
//
// A sequence belongs to a DP group. The group's rows, sequence after sequence, are cut into one or
// two micro-batches of like work, and each of them into stretches that the group's TP ranks own; as
// evenly as can be, but the rows of a sequence that are sampled stay together. A plan says how rows
// are shared out, never what they compute. Pure. Thread safety: values.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "model/runner.h"

namespace baton::model {

inline constexpr uint32_t kBatchesMax = 2;

struct StepShape {
  uint32_t tp = 1;
  uint32_t dp = 1;
  uint32_t batches = 1;   // 2: overlap
  uint32_t row_work = 1;  // of a row apart from attention, in positions that it could attend to
  uint32_t ranks() const { return tp * dp; }
};

// Who makes the drafts of one depth: sequences, the owners' in order.
struct DraftPlan {
  std::vector<uint32_t> sequences;  // indices into the group's
  std::vector<uint32_t> bounds;     // [tp + 1], into `sequences`
};

// Where a group's rows lie.
struct GroupPlan {
  std::vector<uint32_t> sequences;  // of the step, in order
  // Of the group's rows, counted through all sequences: [batches][tp + 1]. Batch b begins where
  // batch b - 1 ends.
  std::array<std::vector<uint32_t>, kBatchesMax> bounds;
  std::vector<DraftPlan> drafts;  // [depths of the step]
  uint32_t rows = 0;
};

struct StepPlan {
  std::vector<GroupPlan> groups;                           // [dp]
  std::array<std::vector<uint32_t>, kBatchesMax> sources;  // [batches][ranks]: rows they own
  std::vector<std::vector<uint32_t>> draft_sources;        // [depths][ranks]: drafting rows
};

inline uint32_t row_count(const SequenceRows& s) {
  return static_cast<uint32_t>(s.tokens.size() + s.drafts.size());
}

// `drafts`: whether the model has an MTP layer.
StepPlan plan_step(std::span<const SequenceRows> sequences, const StepShape& shape, bool drafts);

}  // namespace baton::model
