#include "model/exact_runner.h"

#include <algorithm>
#include <utility>

namespace baton::model {
namespace {

constexpr size_t kLogitsRowsMax = 64;

uint32_t rows_of(const SequenceRows& s) {
  return static_cast<uint32_t>(s.tokens.size() + s.drafts.size());
}

Result<const kernels::Kernels*> choose_kernels(std::optional<unsigned> isa) {
  if (!isa) return &kernels::best_kernels();
  const auto wanted = static_cast<kernels::Isa>(*isa);
  if (const auto* kernels = kernels::kernels_for(wanted)) return kernels;
  return fail(ErrorCode::unsupported, "This processor can't run the {} kernels.",
              kernels::to_string(wanted));
}

}  // namespace

Result<std::unique_ptr<ExactRunner>> ExactRunner::create(const checkpoint::Checkpoint& checkpoint,
                                                         const RunnerOptions& options) {
  if (options.threads == 0 || options.rows_max == 0 || options.sequences_max == 0) {
    return fail(ErrorCode::invalid_argument,
                "A runner needs at least one thread, one row and one sequence.");
  }
  BATON_TRY(kernels, choose_kernels(options.isa));
  auto pool = std::make_unique<ThreadPool>(options.threads);
  BATON_TRY(weights, layers::load_weights(checkpoint, *kernels, *pool));
  return std::unique_ptr<ExactRunner>(
      new ExactRunner(checkpoint.config(), std::move(weights), *kernels, std::move(pool), options));
}

ExactRunner::ExactRunner(const checkpoint::ModelConfig& config, layers::Weights weights,
                         const kernels::Kernels& kernels, std::unique_ptr<ThreadPool> pool,
                         const RunnerOptions& options)
    : options_(options),
      kernels_(kernels),
      pool_(std::move(pool)),
      network_(config, std::move(weights), kernels, *pool_, options.rows_max),
      samplers_(pool_->size(), Sampler(kernels, config.vocab_size)),
      plan_(network_.rope(), options.rows_max),
      logits_rows_(std::min<size_t>(kLogitsRowsMax, options.rows_max)),
      mtp_plan_(network_.rope(), options.rows_max),
      draft_plan_(network_.rope(), options.rows_max) {
  logits_.resize(logits_rows_ * config.vocab_size);
  tokens_.reserve(options.rows_max);
  first_rows_.reserve(options.sequences_max);
  group_.sequences.reserve(options.sequences_max);
  group_.first.reserve(options.sequences_max);
  group_.rows.reserve(logits_rows_);
  mtp_sources_.reserve(options.rows_max);
  mtp_next_.reserve(options.rows_max);
  draft_rows_.reserve(options.sequences_max);
  draft_sequences_.reserve(options.sequences_max);
}

kvcache::PageFormat ExactRunner::page_format() const {
  const auto& config = network_.config();
  return {static_cast<uint32_t>(config.num_cache_layers()),
          static_cast<uint32_t>(config.kv_entry_width() * sizeof(float))};
}

std::span<const float> ExactRunner::logits_row(size_t row) const {
  const size_t vocabulary = network_.config().vocab_size;
  return std::span(logits_).subspan(row * vocabulary, vocabulary);
}

std::vector<SequenceResult> ExactRunner::step(std::span<const SequenceRows> sequences,
                                              kvcache::PoolMemory& cache,
                                              const std::function<void(uint32_t)>& layer_done) {
  check(cache.format() == page_format(), "the pool has the runner's page format");
  std::vector<SequenceResult> results(sequences.size());
  lay_out(sequences);
  const auto hidden = network_.forward(tokens_, plan_, cache, layer_done);
  sample(sequences, hidden, results);
  if (has_mtp()) {
    run_mtp(sequences, cache, results);
    if (layer_done) layer_done(static_cast<uint32_t>(network_.config().num_layers));
  }
  return results;
}

void ExactRunner::lay_out(std::span<const SequenceRows> sequences) {
  check(sequences.size() <= options_.sequences_max, "a step has no more sequences than allowed");
  plan_.clear();
  tokens_.clear();
  first_rows_.clear();
  for (const SequenceRows& s : sequences) {
    check(!s.tokens.empty(), "a sequence of a step has a known token to run");
    check(s.sampling == nullptr || !s.next, "a sampling sequence doesn't know what comes next");
    check(s.sampling != nullptr || s.drafts.empty(), "only a sampling sequence verifies drafts");
    check(1 + s.drafts.size() <= logits_rows_, "a sequence's drafts fit the logits buffer");
    first_rows_.push_back(plan_.rows());
    plan_.add(s.pages, s.prompt_tokens, s.first, rows_of(s));
    tokens_.insert(tokens_.end(), s.tokens.begin(), s.tokens.end());
    tokens_.insert(tokens_.end(), s.drafts.begin(), s.drafts.end());
  }
}

// Logits are computed for groups of whole sequences, as many rows as the buffer holds.
void ExactRunner::sample(std::span<const SequenceRows> sequences, std::span<const float> hidden,
                         std::vector<SequenceResult>& results) {
  for (uint32_t i = 0; i < sequences.size(); ++i) {
    const SequenceRows& s = sequences[i];
    if (s.sampling == nullptr) continue;
    const uint32_t count = static_cast<uint32_t>(1 + s.drafts.size());
    if (group_.rows.size() + count > logits_rows_) sample_group(sequences, hidden, results);
    group_.sequences.push_back(i);
    group_.first.push_back(static_cast<uint32_t>(group_.rows.size()));
    const uint32_t end = first_rows_[i] + rows_of(s);
    for (uint32_t row = end - count; row < end; ++row) group_.rows.push_back(row);
  }
  sample_group(sequences, hidden, results);
}

void ExactRunner::sample_group(std::span<const SequenceRows> sequences,
                               std::span<const float> hidden,
                               std::vector<SequenceResult>& results) {
  const size_t n = network_.config().hidden_size;
  network_.logits({hidden.data(), n, group_.rows.data()}, group_.rows.size(), logits_.data());
  pool_->run(group_.sequences.size(), [&](size_t i, unsigned thread) {
    const uint32_t s = group_.sequences[i];
    const size_t vocabulary = network_.config().vocab_size;
    const auto rows = std::span<const float>(logits_).subspan(group_.first[i] * vocabulary);
    verify(sequences[s], rows, thread, results[s]);
  });
  group_.sequences.clear();
  group_.first.clear();
  group_.rows.clear();
}

// Samples row after row while each draft is what was sampled before it. logits: [1 + drafts, vocab]
// and more.
void ExactRunner::verify(const SequenceRows& s, std::span<const float> logits, unsigned thread,
                         SequenceResult& result) {
  const size_t vocabulary = network_.config().vocab_size;
  std::vector<TokenId> fresh;
  fresh.reserve(1 + s.drafts.size());
  result.tokens.reserve(1 + s.drafts.size());
  for (size_t k = 0; k <= s.drafts.size(); ++k) {
    const auto row = logits.subspan(k * vocabulary, vocabulary);
    const auto position = static_cast<Position>(s.first + s.tokens.size() + k);
    SampledToken sampled;
    sampled.token = samplers_[thread].choose(
        row, {*s.sampling, s.prompt, s.output, fresh, s.masked, s.choice, position});
    const float log_sum = kernels::log_sum_exp(kernels_, row.data(), row.size());
    sampled.logprob = row[sampled.token] - log_sum;
    if (s.report != nullptr) {
      sampled.top = top_logprobs(row, log_sum, s.report->top_logprobs);
      if (s.report->logits_digest) sampled.logits = logits_digest(row);
    }
    fresh.push_back(sampled.token);
    result.tokens.push_back(std::move(sampled));
    if (k < s.drafts.size() && fresh.back() != s.drafts[k]) return;
  }
}

// The MTP rows of one sequence: each with the token that is known to follow it.
void ExactRunner::lay_out_mtp(const SequenceRows& s, uint32_t index, const SequenceResult& result) {
  const size_t before = mtp_next_.size();
  mtp_next_.insert(mtp_next_.end(), s.tokens.begin() + 1, s.tokens.end());
  if (s.next) mtp_next_.push_back(*s.next);
  for (const SampledToken& sampled : result.tokens) mtp_next_.push_back(sampled.token);
  const auto rows = static_cast<uint32_t>(mtp_next_.size() - before);
  if (rows == 0) return;
  for (uint32_t r = 0; r < rows; ++r) mtp_sources_.push_back(first_rows_[index] + r);
  mtp_plan_.add(s.pages, s.prompt_tokens, s.first, rows);
  if (s.sampling == nullptr || !s.draft) return;
  draft_sequences_.push_back(index);
  draft_rows_.push_back(static_cast<uint32_t>(mtp_next_.size() - 1));
  draft_plan_.add(s.pages, s.prompt_tokens, s.first + rows - 1, 1);
}

void ExactRunner::run_mtp(std::span<const SequenceRows> sequences, kvcache::PoolMemory& cache,
                          std::vector<SequenceResult>& results) {
  mtp_plan_.clear();
  mtp_sources_.clear();
  mtp_next_.clear();
  draft_plan_.clear();
  draft_rows_.clear();
  draft_sequences_.clear();
  for (uint32_t i = 0; i < sequences.size(); ++i) lay_out_mtp(sequences[i], i, results[i]);
  network_.mtp_entries(mtp_sources_, mtp_next_, mtp_plan_, cache);
  if (draft_rows_.empty()) return;
  draft(sequences, network_.mtp_hidden(draft_rows_, draft_plan_, cache), results);
}

// A draft is what the sampler would draw if the MTP layer's logits were the model's.
void ExactRunner::draft(std::span<const SequenceRows> sequences, std::span<const float> hidden,
                        std::vector<SequenceResult>& results) {
  const size_t n = network_.config().hidden_size;
  for (size_t begin = 0; begin < draft_rows_.size(); begin += logits_rows_) {
    const size_t count = std::min(logits_rows_, draft_rows_.size() - begin);
    network_.mtp_logits({hidden.data() + begin * n, n, nullptr}, count, logits_.data());
    pool_->run(count, [&](size_t i, unsigned thread) {
      const uint32_t index = draft_sequences_[begin + i];
      const SequenceRows& s = sequences[index];
      SequenceResult& result = results[index];
      std::vector<TokenId> fresh;
      for (const SampledToken& sampled : result.tokens) fresh.push_back(sampled.token);
      const auto row = logits_row(i);
      const Position position = draft_plan_.position(static_cast<uint32_t>(begin + i)) + 2;
      const TokenId token = samplers_[thread].choose(
          row, {*s.sampling, s.prompt, s.output, fresh, s.masked, s.choice, position});
      const float log_sum = kernels::log_sum_exp(kernels_, row.data(), row.size());
      result.drafts.push_back(token);
      result.draft_logprobs.push_back({token, row[token] - log_sum});
    });
  }
}

}  // namespace baton::model
