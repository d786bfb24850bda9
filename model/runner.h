// Runner: executes a plan of rows. Prefill fills cache entries; decode verifies, samples and
// drafts.
//
// A step is a list of sequences, each with consecutive rows (positions) of its own. A row at a
// position before prompt_tokens - 1 goes through the prefill form of attention, any other through
// the decode (absorbed) form, whoever runs it (README, "Same request, same bytes"). Results depend
// on a sequence's own tokens, cache and parameters only, never on what else is in the step.
//
// Sampling sequences end with 1 + drafts.size() rows to sample: the last known token, then the
// drafts. Row k samples the token after it; the draft k is accepted if it equals that token. Then
// the MTP layer runs on the accepted rows and drafts the token after the last (DeepSeek-V3 report,
// 2.2 and 5.4.3), and from its own output and that draft the next, draft_depth in all. The MTP
// layer's cache entries are written for all other rows too; those that drafting deeper writes, at
// positions up to draft_depth - 2 after the last known token, are replaced when they are known.
// Thread safety: one compute thread calls step(); the layer callback runs on it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/hash/digest.h"
#include "base/observe/metrics.h"
#include "base/observe/progress_bar.h"
#include "base/result.h"
#include "base/system/thread_pool.h"
#include "kvcache/pool_memory.h"
#include "model/checkpoint/checkpoint.h"
#include "parallel/balance/balancer.h"
#include "parallel/layout.h"
#include "proto/request.h"

namespace baton::model {

struct SequenceRows {
  uint32_t group = 0;               // the DP group that runs it
  std::span<const PageId> pages;    // covers every row's position
  uint32_t prompt_tokens = 1;       // n
  Position first = 0;               // position of tokens[0]
  std::span<const TokenId> tokens;  // known tokens at first, first + 1, ...: the rows to run
  std::optional<TokenId> next;      // the known token after the last of `tokens`: for the MTP entry
  // Score the known token after each row, with that many alternatives. Not with `sampling`.
  std::optional<uint32_t> score;

  // Set for a sequence that samples; then `next` is absent and drafts follow `tokens`.
  const SamplingParams* sampling = nullptr;
  const ReportParams* report = nullptr;
  std::span<const TokenId> drafts;
  std::span<const TokenId> prompt;  // for penalties
  std::span<const TokenId> output;  // tokens generated so far, `tokens.back()` included
  ChoiceIndex choice = 0;
  std::span<const TokenId> masked;  // may not be chosen at this step (min_tokens)
  // [1 + drafts, (vocab + 63) / 64]: bits of the tokens that may be chosen; empty: any.
  std::span<const uint64_t> masks;
  std::optional<TokenId> forced;  // the token after the last known one, whatever its logit
  uint32_t draft_depth = 1;       // how many tokens to draft for the next step
};

struct SampledToken {
  TokenId token = 0;
  float logprob = 0;
  std::vector<TokenLogprob> top;
  Digest logits;  // of the raw logits row, if asked for
};

struct ScoredRow {
  uint32_t row = 0;  // of the sequence's rows in the step
  PromptScore score;
};

struct SequenceResult {
  std::vector<SampledToken> tokens;  // 1 + accepted drafts; empty for a sequence that only fills
  std::vector<TokenId> drafts;       // for the next step; empty without an MTP layer
  std::vector<TokenLogprob> draft_logprobs;
  std::vector<ScoredRow> scores;  // of every row, in order, if asked for
};

struct RunnerOptions {
  std::string mode = "exact";  // checkpoint::NumericMode
  std::string pack_dir;        // of packed weights; empty: the model's folder
  ProgressBar::Style pack_progress = ProgressBar::Style::off;
  parallel::Layout layout;
  uint32_t rows_max = 512;      // of one step and DP group; buffers are sized for it at start
  uint32_t sequences_max = 64;  // of one step and DP group
  parallel::BalanceLimits balance;
  std::vector<unsigned> processors;  // that the threads of this rank stay on, in order; or none
  std::optional<unsigned> isa;       // tests: force a kernel path (kernels::Isa)
};

class Runner {
 public:
  virtual ~Runner() = default;

  virtual kvcache::PageFormat page_format() const = 0;
  virtual bool has_mtp() const = 0;

  // `layer_done(l)` is called when layer l of all rows is in the cache (the MTP layer last).
  virtual std::vector<SequenceResult> step(std::span<const SequenceRows> sequences,
                                           kvcache::PoolMemory& cache,
                                           const std::function<void(uint32_t)>& layer_done) = 0;

  // Experts are to be placed anew, by the load seen so far. They move while steps go on; until
  // settled() steps without sequences bring it about where no others run.
  virtual void rebalance() = 0;
  virtual bool settled() const = 0;
  // What became of it, as of the last report; from any thread.
  virtual parallel::BalanceView balance() const = 0;
};

}  // namespace baton::model
