// Driver: a runner in this process, driven as prefill and decode drive theirs, for benchmarks.
//
// Contexts that only decode is measured on need not be computed: their entries are random.
// Thread safety: one thread.
#pragma once

#include <memory>
#include <vector>

#include "base/clock.h"
#include "model/team/team_runner.h"
#include "parallel/exchange/local_port.h"

namespace baton::bench {

struct DriverOptions {
  model::RunnerOptions runner;
  size_t tokens_max = 0;  // of all streams together, answers included
};

// One sequence.
struct Stream {
  std::vector<TokenId> prompt;
  SamplingParams sampling{.temperature = 0};
  ReportParams report;
  bool verify_drafts = false;

  std::vector<PageId> pages;
  Position filled = 0;
  std::vector<TokenId> known;  // prompt and output
  std::vector<TokenId> drafts;
  std::vector<model::SampledToken> last;  // of the last step

  std::span<const TokenId> output() const { return std::span(known).subspan(prompt.size()); }
};

class Driver {
 public:
  static Result<std::unique_ptr<Driver>> create(const checkpoint::Checkpoint& checkpoint,
                                                const DriverOptions& options);

  const checkpoint::ModelConfig& config() const { return checkpoint_.config(); }
  model::Runner& runner() { return *runner_; }
  kvcache::PoolMemory& cache() { return *cache_; }

  Stream open(std::vector<TokenId> prompt, size_t answer_tokens);
  Stream open_random(uint64_t seed, size_t prompt_tokens, size_t answer_tokens);
  void close(Stream& stream);  // its pages may be used again
  // Runs positions 0..n-2 of the prompt, in chunks of the runner's row limit.
  void prefill(Stream& stream);
  // The same as far as decode can tell the time: random entries.
  void pretend_prefill(Stream& stream, uint64_t seed);
  // One step of all of them; with known tokens that have not run, these run too.
  void decode(std::span<Stream* const> streams);
  // Goes on with this token in place of the last one that was sampled.
  static void force(Stream& stream, TokenId token);

 private:
  Driver(const checkpoint::Checkpoint& checkpoint, const DriverOptions& options)
      : checkpoint_(checkpoint), options_(options), hub_(1), port_(hub_.port(0)) {}

  const checkpoint::Checkpoint& checkpoint_;
  DriverOptions options_;
  SystemClock clock_;
  parallel::LocalHub hub_;
  std::unique_ptr<parallel::Port> port_;
  std::unique_ptr<model::TeamRunner> runner_;
  std::unique_ptr<kvcache::PoolMemory> cache_;
  std::vector<PageId> free_;
};

}  // namespace baton::bench
