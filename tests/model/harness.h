// Harness: drives a runner as prefill and decode do, for tests: pages, chunks, steps, drafts.
//
// A Session is one request's life; several sessions may share a step. Thread safety: one thread.
#pragma once

#include <algorithm>
#include <functional>
#include <numeric>
#include <optional>
#include <thread>
#include <vector>

#include "kvcache/pool_memory.h"
#include "model/checkpoint/packed/numeric_mode.h"
#include "model/team/team_runner.h"
#include "parallel/exchange/local_port.h"

namespace baton::testing {

// Of shapes and layouts modes that combine the parts of others take every fifth.
inline size_t strides(const checkpoint::NumericMode& mode) {
  return mode.name == "exact" || mode.name == "fast" ? 1 : 5;
}

struct Session {
  std::vector<TokenId> prompt;
  SamplingParams sampling{.temperature = 0};
  ReportParams report{.logprobs = true, .logits_digest = true};
  ChoiceIndex choice = 0;
  uint32_t group = 0;          // the DP group that runs it
  bool verify_drafts = false;  // feed the drafts back
  uint32_t draft_depth = 1;
  std::vector<TokenId> forced;  // fed as drafts instead, from the first token on
  uint32_t forced_at_once = 1;
  std::optional<uint32_t> score;  // of the prompt's tokens, with that many alternatives

  std::vector<PageId> pages;
  Position filled = 0;  // positions run so far
  std::vector<TokenId> output;
  std::vector<model::SampledToken> sampled;
  std::vector<TokenId> drafts;        // for the next step
  std::vector<PromptScore> scores;    // of the prompt's tokens from the second on
  std::vector<TokenLogprob> drafted;  // every draft that was made, with its log-probability
  uint32_t steps = 0;

  uint32_t prompt_tokens() const { return static_cast<uint32_t>(prompt.size()); }
  std::vector<Digest> digests() const {
    std::vector<Digest> all;
    for (const auto& token : sampled) all.push_back(token.logits);
    return all;
  }

  // Rows that fill: at most `chunk` positions before the prompt's last one.
  model::SequenceRows fill(uint32_t chunk) const {
    model::SequenceRows rows;
    const uint32_t count = std::min(chunk, prompt_tokens() - 1 - filled);
    rows.pages = pages;
    rows.prompt_tokens = prompt_tokens();
    rows.group = group;
    rows.first = filled;
    rows.tokens = std::span(prompt).subspan(filled, count);
    rows.next = prompt[filled + count];
    rows.score = score;
    return rows;
  }
  void was_filled(const model::SequenceRows& rows, const model::SequenceResult& result) {
    check(!score || result.scores.size() == rows.tokens.size(), "every row is scored");
    for (const auto& scored : result.scores) scores.push_back(scored.score);
    filled += static_cast<Position>(rows.tokens.size());
  }

  // Rows that sample: all known tokens not yet run, then drafts.
  model::SequenceRows decode() {
    known_ = prompt;
    known_.insert(known_.end(), output.begin(), output.end());
    if (!forced.empty()) {
      const size_t done = std::min(output.size(), forced.size());
      const size_t count = std::min<size_t>(forced_at_once, forced.size() - done);
      drafts.assign(forced.begin() + static_cast<ptrdiff_t>(done),
                    forced.begin() + static_cast<ptrdiff_t>(done + count));
    } else if (!verify_drafts) {
      drafts.clear();
    }
    model::SequenceRows rows;
    rows.pages = pages;
    rows.prompt_tokens = prompt_tokens();
    rows.group = group;
    rows.first = filled;
    rows.tokens = std::span(known_).subspan(filled);
    rows.sampling = &sampling;
    rows.report = &report;
    rows.drafts = drafts;
    rows.draft_depth = draft_depth;
    rows.prompt = prompt;
    rows.output = output;
    rows.choice = choice;
    return rows;
  }
  void was_decoded(const model::SequenceRows& rows, model::SequenceResult result) {
    filled = static_cast<Position>(rows.first + rows.tokens.size() + result.tokens.size() - 1);
    for (auto& token : result.tokens) {
      output.push_back(token.token);
      sampled.push_back(std::move(token));
    }
    drafts = result.drafts;
    drafted.insert(drafted.end(), result.draft_logprobs.begin(), result.draft_logprobs.end());
    ++steps;
  }

 private:
  std::vector<TokenId> known_;
};

// An instance in this process: each rank but the first is a thread.
class Harness {
 public:
  // What goes around each rank's port; called by the rank's own thread.
  using Wrap = std::function<std::unique_ptr<parallel::Port>(std::unique_ptr<parallel::Port> port)>;

  Harness(const checkpoint::Checkpoint& checkpoint, const model::RunnerOptions& options,
          uint32_t pages = 96, const Wrap& wrap = std::identity())
      : hub_(options.layout.ranks()),
        port_(wrap(hub_.port(0))),
        runner_(model::TeamRunner::create(
                    checkpoint, options, *port_, [] {}, clock_)
                    .value()),
        cache_(kvcache::PoolMemory::create_private(runner_->page_format(), pages).value()) {
    for (uint32_t r = 1; r < hub_.ranks(); ++r) {
      ranks_.emplace_back([this, r, &checkpoint, options, wrap] {
        const auto port = wrap(hub_.port(r));
        const auto rank = model::RankRunner::create(checkpoint, options, *port).value();
        model::StepServer server(*rank, *port, options.layout.tp);
        while (server.serve(cache_)) {
        }
      });
    }
  }
  ~Harness() {
    runner_.reset();
    for (std::thread& rank : ranks_) rank.join();
  }

  model::TeamRunner& runner() { return *runner_; }
  layers::Network& network() { return runner_->rank().network(); }  // of rank 0
  kvcache::PoolMemory& cache() { return cache_; }
  ManualClock& clock() { return clock_; }

  Session open(std::vector<TokenId> prompt, uint32_t answer_tokens = 64) {
    Session session;
    const uint32_t pages = pages_for(prompt.size() + answer_tokens);
    for (uint32_t p = 0; p < pages; ++p) {
      // Scattered over the pool, so that nothing relies on neighbours.
      session.pages.push_back(PageId(next_page_++ * 7 % cache_.pages()));
    }
    session.prompt = std::move(prompt);
    return session;
  }

  void prefill(Session& session, uint32_t chunk = 512) {
    while (session.filled + 1 < session.prompt_tokens()) {
      const auto rows = session.fill(chunk);
      const auto results = runner_->step(std::span(&rows, 1), cache_, {});
      session.was_filled(rows, results.front());
    }
  }
  void decode_step(Session& session) {
    const auto rows = session.decode();
    auto results = runner_->step(std::span(&rows, 1), cache_, {});
    session.was_decoded(rows, std::move(results.front()));
  }
  void decode(Session& session, size_t tokens) {
    while (session.output.size() < tokens) decode_step(session);
  }

 private:
  ManualClock clock_;
  parallel::LocalHub hub_;
  std::unique_ptr<parallel::Port> port_;
  std::unique_ptr<model::TeamRunner> runner_;
  kvcache::PoolMemory cache_;
  std::vector<std::thread> ranks_;
  uint32_t next_page_ = 0;
};

}  // namespace baton::testing
