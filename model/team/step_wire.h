// step_wire: what rank 0 tells the others of a step, and what they answer, as bytes.
//
// Every rank hears the header; the ranks of a DP group with rows hear its sequences too. Ranks of
// one instance are one build, so the form has no versions: numbers as they lie in memory, lists
// with their length ahead. Bytes of another form are a broken invariant. Thread safety: values.
#pragma once

#include <cstddef>
#include <vector>

#include "model/team/step_plan.h"
#include "parallel/balance/balancer.h"

namespace baton::model {

struct StepHeader {
  bool stop = false;                                       // the instance ends: no step
  std::array<std::vector<uint32_t>, kBatchesMax> sources;  // as in StepPlan
  std::vector<std::vector<uint32_t>> draft_sources;
  parallel::BalanceOrders experts;
};

// A group's part, with the sequences' lists in memory of its own.
class GroupStep {
 public:
  std::span<const SequenceRows> sequences() const { return sequences_; }
  const GroupPlan& plan() const { return plan_; }

 private:
  friend void read_group(std::span<const std::byte> bytes, GroupStep& to);
  struct Lists {
    std::vector<PageId> pages;
    std::vector<TokenId> tokens, drafts, prompt, output, masked;
    std::vector<uint64_t> masks;
    SamplingParams sampling;
    ReportParams report;
  };
  std::vector<Lists> lists_;
  std::vector<SequenceRows> sequences_;
  GroupPlan plan_;
};

void write_header(const StepHeader& header, std::vector<std::byte>& to);
StepHeader read_header(std::span<const std::byte> bytes);

// `sequences`: of the step; the plan names its own.
void write_group(std::span<const SequenceRows> sequences, const GroupPlan& plan,
                 std::vector<std::byte>& to);
void read_group(std::span<const std::byte> bytes, GroupStep& to);

// The results of some sequences of a group, each after its index.
void write_results(std::span<const uint32_t> owned, std::span<const SequenceResult> results,
                   std::vector<std::byte>& to);
// Into results[plan.sequences[index]].
void read_results(std::span<const std::byte> bytes, const GroupPlan& plan,
                  std::span<SequenceResult> results);

void write_report(const parallel::BalanceReport& report, std::vector<std::byte>& to);
parallel::BalanceReport read_report(std::span<const std::byte> bytes);

}  // namespace baton::model
