// RunningBatch: the sequences that share each step, and the rows that each gets.
//
// A sequence joins and leaves at any step, in the DP group with room that holds the fewest tokens,
// then the fewest sequences; the limits are of each group. One that samples gets its row in every
// step, and rows to verify its drafts as far as there is room; prompts that decode prefills itself
// and tokens that are replayed share the rest, first come first served, at least fill_rows_min and,
// while others wait for tokens, at most fill_rows_max rows. At most one step is in flight; what it
// reads (tokens, pages) stays until it is done, also of a sequence removed meanwhile. Nothing here
// may change a token: rows are alone (README, "Same request, same bytes"). Thread safety: its
// owner's; the spans of a step may be read from another thread until complete().
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "decode/forms/form_keeper.h"
#include "decode/limits.h"
#include "decode/part_tracker.h"
#include "model/runner.h"
#include "proto/request.h"

namespace baton::decode {

struct Sequence {
  RequestId request;
  ChoiceIndex choice = 0;
  bool fills_only = false;      // a prompt that decode prefills itself: up to n - 1 entries
  std::vector<TokenId> tokens;  // prompt, known, sampled
  uint32_t prompt_tokens = 1;
  uint32_t cached = 0;  // entries 0..cached-1 are in its pages
  std::vector<PageId> pages;
  SamplingParams sampling;
  ReportParams report;
  std::vector<TokenId> stop_tokens;  // masked until min_tokens
  uint32_t min_tokens = 0;
  uint32_t max_tokens = 1;
  std::vector<TokenId> drafts;     // from its last result
  PartTracker parts;               // after the last of `tokens`
  std::optional<uint32_t> score;   // of a prompt that is filled: score its tokens
  std::optional<FormKeeper> form;  // after the last of `tokens`, if the answer has one
  uint32_t group = 0;              // given by the batch
};

class RunningBatch {
 public:
  explicit RunningBatch(const DecodeLimits& limits);

  void add(Sequence sequence);
  // Takes a request's sequences (or one) out. Returns the pages that nothing reads any more; those
  // that the step in flight reads come out of complete().
  std::vector<PageId> remove(RequestId request, std::optional<ChoiceIndex> choice = std::nullopt);

  // Before a step: a sequence whose pages don't hold all that the step may write, or null.
  Sequence* short_of_pages();

  // The next step's rows; empty if there is nothing to do or a step is in flight. Each sequence
  // that samples is to make up to `depth` drafts, as far as its pages and its answer's end reach.
  std::vector<model::SequenceRows> build(uint32_t depth);
  // How many would sample, and whether others would fill.
  struct Kinds {
    uint32_t sampling = 0;
    bool filling = false;
  };
  Kinds kinds() const;

  struct Sampled {
    RequestId request;
    ChoiceIndex choice = 0;
    std::vector<model::SampledToken> tokens;
  };
  struct Scored {
    RequestId request;
    PromptScoreRun scores;
  };
  struct Outcome {
    std::vector<Sampled> sampled;
    std::vector<Scored> scored;     // prompts that decode fills itself
    std::vector<RequestId> filled;  // their fills_only sequence has all of the prompt: remove it
    std::vector<PageId> freed;      // of sequences that were removed during the step
  };
  Outcome complete(std::vector<model::SequenceResult> results);

  bool in_flight() const { return !flight_.empty(); }
  size_t size() const { return sequences_.size(); }  // removed ones not counted
  uint64_t rows_waiting() const;                     // to be filled before sampling goes on
  const std::vector<std::unique_ptr<Sequence>>& sequences() const { return sequences_; }
  // Pages of removed sequences that the step in flight still reads.
  std::vector<PageId> held_pages() const;

 private:
  struct Rows {
    Sequence* sequence = nullptr;  // owned by sequences_ or removed_
    uint32_t known = 0;            // rows of known tokens
    uint32_t drafts = 0;           // rows of drafts after them
    bool samples = false;
  };
  Rows plan(Sequence& sequence, uint32_t rows) const;
  model::SequenceRows rows_of(const Rows& rows, uint32_t depth) const;
  uint32_t lightest_group() const;
  void build_group(uint32_t group);
  static PromptScoreRun scores_of(const Sequence& sequence, model::SequenceResult& result);
  uint32_t drafts_allowed(const Sequence& sequence) const;
  static uint32_t drafts_useful(const Rows& rows, uint32_t depth);

  const DecodeLimits limits_;
  std::vector<std::unique_ptr<Sequence>> sequences_;  // in the order they joined
  std::vector<std::unique_ptr<Sequence>> removed_;    // while the step in flight reads them
  std::vector<Rows> flight_;
};

}  // namespace baton::decode
