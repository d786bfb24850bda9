#include "model/team/rank_runner.h"

#include <algorithm>
#include <utility>

#include "base/system/processors.h"
#include "model/checkpoint/packed/packer.h"
#include "model/checkpoint/summary.h"
#include "parallel/topology.h"

namespace baton::model {
namespace {

constexpr size_t kLogitsRowsMax = 64;
constexpr parallel::Tag kAcceptedTag = 4;

Result<const kernels::Kernels*> choose_kernels(std::optional<unsigned> isa) {
  if (!isa) return &kernels::best_kernels();
  const auto wanted = static_cast<kernels::Isa>(*isa);
  if (const auto* kernels = kernels::kernels_for(wanted)) return kernels;
  return fail(ErrorCode::unsupported, "This processor can't run the {} kernels.",
              kernels::to_string(wanted));
}

layers::Network::Placements first_placements(const checkpoint::ModelConfig& config,
                                             const parallel::Layout& layout) {
  layers::Network::Placements placements(config.num_cache_layers());
  for (size_t l = 0; l < placements.size(); ++l) {
    if (!config.is_moe_layer(l)) continue;
    placements[l] = parallel::first_placement(
        parallel::placement_shape(layout, checkpoint::model_shape(config)));
  }
  return placements;
}

std::vector<uint32_t> layers_with_experts(const checkpoint::ModelConfig& config) {
  std::vector<uint32_t> layers;
  for (uint32_t l = 0; l < config.num_cache_layers(); ++l) {
    if (config.is_moe_layer(l)) layers.push_back(l);
  }
  return layers;
}

// Such a step is for its orders alone.
bool is_empty(const RankStep& step) {
  return std::ranges::all_of(step.sources, [](std::span<const uint32_t> sources) {
    return std::ranges::all_of(sources, [](uint32_t rows) { return rows == 0; });
  });
}

layers::Share share_of(const parallel::Layout& layout, uint32_t rank,
                       const layers::Network::Placements& placements) {
  layers::Share share{.tp = layout.tp, .tp_rank = rank % layout.tp};
  share.routed_shared = layout.shared == parallel::SharedExpert::routed;
  for (const auto& placement : placements) {
    auto& experts = share.experts.emplace_back();
    if (!placement) continue;
    std::ranges::copy(placement->experts_on(rank), std::back_inserter(experts));
  }
  return share;
}

layers::NetworkSetup setup_of(const RunnerOptions& options, uint32_t batches) {
  return {.mode = checkpoint::find_numeric_mode(options.mode).value(),
          .rows_max = options.rows_max,
          .batches = batches,
          .routed_shared = options.layout.shared == parallel::SharedExpert::routed};
}

}  // namespace

// In a mode that packs, `packed` is opened too; a file that turns out to be damaged is replaced.
static Result<layers::Weights> load(const checkpoint::Checkpoint& checkpoint,
                                    const checkpoint::NumericMode& mode,
                                    const RunnerOptions& options, const kernels::Kernels& kernels,
                                    ThreadPool& pool, const layers::Share& share,
                                    std::unique_ptr<const checkpoint::PackedFile>& packed) {
  if (!mode.packed()) return layers::load_weights({checkpoint}, kernels, pool, share);
  const checkpoint::PackOptions pack{mode, options.pack_dir, options.pack_progress};
  const auto load_from = [&](Result<checkpoint::PackedFile> file) -> Result<layers::Weights> {
    if (!file) return file.error();
    packed = std::make_unique<const checkpoint::PackedFile>(std::move(*file));
    return layers::load_weights({checkpoint, packed.get()}, kernels, pool, share);
  };
  auto weights = load_from(checkpoint::open_packed(checkpoint, pack, kernels, pool));
  if (weights || weights.error().code != ErrorCode::corrupt) return weights;
  return load_from(checkpoint::replace_packed(checkpoint, pack, kernels, pool));
}

Result<std::unique_ptr<RankRunner>> RankRunner::create(const checkpoint::Checkpoint& checkpoint,
                                                       const RunnerOptions& options,
                                                       parallel::Port& port) {
  BATON_TRY(mode, checkpoint::find_numeric_mode(options.mode));
  if (options.layout.threads == 0 || options.rows_max == 0 || options.sequences_max == 0) {
    return fail(ErrorCode::invalid_argument,
                "A runner needs at least one thread, one row and one sequence.");
  }
  BATON_CHECKED(
      parallel::check_layout(options.layout, checkpoint::model_shape(checkpoint.config())));
  check(options.layout.ranks() == port.size(), "an instance has as many ranks as its layout");
  BATON_TRY(kernels, choose_kernels(options.isa));
  auto pool = std::make_unique<ThreadPool>(options.layout.threads);
  auto placements = first_placements(checkpoint.config(), options.layout);
  const layers::Share share = share_of(options.layout, port.rank(), placements);
  std::unique_ptr<const checkpoint::PackedFile> packed;
  BATON_TRY(weights, load(checkpoint, mode, options, *kernels, *pool, share, packed));
  return std::unique_ptr<RankRunner>(new RankRunner(checkpoint, std::move(packed),
                                                    std::move(weights), std::move(placements),
                                                    *kernels, std::move(pool), options, port));
}

RankRunner::RankRunner(const checkpoint::Checkpoint& checkpoint,
                       std::unique_ptr<const checkpoint::PackedFile> packed,
                       layers::Weights weights, layers::Network::Placements placements,
                       const kernels::Kernels& kernels, std::unique_ptr<ThreadPool> pool,
                       const RunnerOptions& options, parallel::Port& port)
    : options_(options),
      mode_(checkpoint::find_numeric_mode(options.mode).value()),
      packed_(std::move(packed)),
      rank_(port.rank()),
      index_(port.rank() % options.layout.tp),
      batches_(options.layout.overlap ? 2 : 1),
      kernels_(kernels),
      pool_(std::move(pool)),
      network_(checkpoint.config(), std::move(weights), std::move(placements),
               setup_of(options, batches_), parallel::Topology(options.layout), port, kernels,
               *pool_),
      group_(port, options.layout.tp, kAcceptedTag),
      samplers_(pool_->size(), Sampler(kernels, checkpoint.config().vocab_size)),
      plans_{layers::RowPlan(network_.rope(), options.rows_max),
             layers::RowPlan(network_.rope(), options.rows_max)},
      logits_rows_(std::min<size_t>(kLogitsRowsMax, options.rows_max)),
      mtp_plan_(network_.rope(), options.rows_max),
      draft_plan_(network_.rope(), options.rows_max),
      expert_layers_(layers_with_experts(checkpoint.config())),
      loader_([this, &checkpoint, &kernels](const parallel::SlotMove& move) {
        return layers::load_expert({checkpoint, packed_.get()}, kernels, expert_layers_[move.layer],
                                   move.expert);
      }) {
  logits_.resize(logits_rows_ * checkpoint.config().vocab_size);
  own_.reserve(options.rows_max);
  tokens_.reserve(options.rows_max);
  owned_.reserve(options.sequences_max);
  answered_.reserve(options.sequences_max);
  scored_rows_.reserve(options.rows_max);
  scores_.resize(logits_rows_);
  tails_.reserve(options.sequences_max);
  group_rows_.sequences.reserve(options.sequences_max);
  group_rows_.first.reserve(options.sequences_max);
  group_rows_.rows.reserve(logits_rows_);
  accepted_.reserve(options.sequences_max);
  mtp_sources_.reserve(options.rows_max);
  mtp_next_.reserve(options.rows_max);
  last_mtp_.reserve(options.sequences_max);
  sampled_.reserve(options.sequences_max);
  draft_rows_.reserve(options.sequences_max);
  drafters_.reserve(options.sequences_max);
}

kvcache::PageFormat RankRunner::page_format() const {
  const auto& config = network_.config();
  return {static_cast<uint32_t>(config.num_cache_layers()),
          static_cast<uint32_t>(mode_.entry_bytes(config))};
}

std::span<const float> RankRunner::logits_row(size_t row) const {
  const size_t vocabulary = network_.config().vocab_size;
  return std::span(logits_).subspan(row * vocabulary, vocabulary);
}

void RankRunner::step(const RankStep& step, kvcache::PoolMemory& cache,
                      const std::function<void(uint32_t)>& layer_done,
                      std::span<SequenceResult> results) {
  check(cache.format() == page_format(), "the pool has the runner's page format");
  check(results.size() == step.sequences.size(), "a step has a result for each sequence");
  sequences_ = step.sequences;
  if (!std::exchange(pinned_, true) && !options_.processors.empty()) {
    (void)pin_threads(*pool_, options_.processors);  // gone since the start: slower, no more
  }
  if (is_empty(step)) {
    owned_.clear();
    answered_.clear();
    return;
  }
  lay_out(step);
  const auto hidden = network_.forward(tokens_, passes_, cache, layer_done);
  sample(hidden, results);
  answered_ = owned_;
  score(hidden, results);
  if (has_mtp()) run_mtp(step, hidden, cache, results);
}

void RankRunner::follow(const parallel::BalanceOrders& orders) {
  if (orders.switched) {
    const auto& [layer, placement] = *orders.switched;
    std::vector<layers::Network::Arrival> arrivals;
    for (auto& [move, weights] : loader_.take(placement.epoch())) {
      arrivals.push_back({move.slot, std::move(weights)});
    }
    network_.place(expert_layers_[layer], placement, arrivals);
  }
  const uint32_t slots = network_.slots_per_rank();
  for (const parallel::SlotMove& move : orders.moves) {
    if (move.slot / slots == rank_) loader_.begin(move);
  }
}

parallel::BalanceReport RankRunner::report(const parallel::BalanceOrders& orders) {
  parallel::BalanceReport report;
  if (orders.report) network_.take_slot_tokens(report.tokens);
  loader_.tell(report);
  return report;
}

// ---- who has which rows ------------------------------------------------------------------------

void RankRunner::lay_out(const RankStep& step) {
  check(sequences_.size() <= options_.sequences_max, "a step has no more sequences than allowed");
  for (const SequenceRows& s : sequences_) {
    check(!s.tokens.empty(), "a sequence of a step has a known token to run");
    check(s.sampling == nullptr || !s.next, "a sampling sequence doesn't know what comes next");
    check(s.sampling != nullptr || s.drafts.empty(), "only a sampling sequence verifies drafts");
    check(!s.score || (s.sampling == nullptr && s.next),
          "every row that is scored has a next token");
    check(1 + s.drafts.size() <= logits_rows_, "a sequence's drafts fit the logits buffer");
  }
  own_.clear();
  tokens_.clear();
  owned_.clear();
  tails_.clear();
  passes_.clear();
  for (uint32_t b = 0; b < batches_; ++b) {
    const auto& bounds = step.group->bounds[b];
    const auto first = static_cast<uint32_t>(own_.size());
    plans_[b].clear();
    add_rows(step, bounds.front(), bounds.back(), plans_[b]);
    own_rows(step, bounds[index_], bounds[index_ + 1]);
    bounds_[b].clear();
    for (const uint32_t at : bounds) bounds_[b].push_back(at - bounds.front());
    passes_.push_back({&plans_[b], bounds_[b], step.sources[b], first});
  }
}

// Rows [begin, end) of the group, counted through its sequences.
void RankRunner::add_rows(const RankStep& step, uint32_t begin, uint32_t end,
                          layers::RowPlan& plan) {
  uint32_t at = 0;
  for (const SequenceRows& s : step.sequences) {
    const uint32_t from = std::max(begin, at);
    const uint32_t to = std::min(end, at + row_count(s));
    if (from < to) plan.add(s.pages, s.prompt_tokens, s.first + (from - at), to - from);
    at += row_count(s);
  }
}

void RankRunner::own_rows(const RankStep& step, uint32_t begin, uint32_t end) {
  uint32_t at = 0;
  for (uint32_t i = 0; i < step.sequences.size(); ++i) {
    const SequenceRows& s = step.sequences[i];
    const uint32_t count = row_count(s);
    for (uint32_t r = std::max(begin, at); r < std::min(end, at + count); ++r) {
      const uint32_t row = r - at;
      if (s.sampling != nullptr && row + 1 + s.drafts.size() == count) {
        owned_.push_back(i);
        tails_.push_back(static_cast<uint32_t>(own_.size()));
      }
      own_.push_back({i, row});
      tokens_.push_back(row < s.tokens.size() ? s.tokens[row] : s.drafts[row - s.tokens.size()]);
    }
    at += count;
  }
}

// ---- sampling ----------------------------------------------------------------------------------

// Logits are computed for groups of whole sequences, as many rows as the buffer holds.
void RankRunner::sample(std::span<const float> hidden, std::span<SequenceResult> results) {
  for (size_t i = 0; i < owned_.size(); ++i) {
    const auto count = static_cast<uint32_t>(1 + sequences_[owned_[i]].drafts.size());
    if (group_rows_.rows.size() + count > logits_rows_) sample_group(hidden, results);
    group_rows_.sequences.push_back(owned_[i]);
    group_rows_.first.push_back(static_cast<uint32_t>(group_rows_.rows.size()));
    for (uint32_t r = 0; r < count; ++r) group_rows_.rows.push_back(tails_[i] + r);
  }
  sample_group(hidden, results);
}

void RankRunner::sample_group(std::span<const float> hidden, std::span<SequenceResult> results) {
  const size_t n = network_.config().hidden_size;
  const Group& group = group_rows_;
  network_.logits({hidden.data(), n, group.rows.data()}, group.rows.size(), logits_.data());
  pool_->run(group.sequences.size(), [&](size_t i, unsigned thread) {
    const uint32_t s = group.sequences[i];
    const size_t vocabulary = network_.config().vocab_size;
    const auto rows = std::span<const float>(logits_).subspan(group.first[i] * vocabulary);
    verify(sequences_[s], rows, thread, results[s]);
  });
  group_rows_.sequences.clear();
  group_rows_.first.clear();
  group_rows_.rows.clear();
}

// Samples row after row while each draft is what was sampled before it. logits: [1 + drafts, vocab]
// and more.
void RankRunner::verify(const SequenceRows& s, std::span<const float> logits, unsigned thread,
                        SequenceResult& result) {
  const size_t vocabulary = network_.config().vocab_size;
  std::vector<TokenId> fresh;
  fresh.reserve(1 + s.drafts.size());
  result.tokens.reserve(1 + s.drafts.size());
  for (size_t k = 0; k <= s.drafts.size(); ++k) {
    const auto row = logits.subspan(k * vocabulary, vocabulary);
    const auto position = static_cast<Position>(s.first + s.tokens.size() + k);
    SampledToken sampled;
    const size_t words = s.masks.size() / (1 + s.drafts.size());
    sampled.token = k == 0 && s.forced
                        ? *s.forced
                        : samplers_[thread].choose(
                              row, {*s.sampling, s.prompt, s.output, fresh, s.masked, s.choice,
                                    position, s.masks.subspan(k * words, words)});
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

// The rows of a prompt whose tokens are scored, as many at a time as the logits buffer holds.
void RankRunner::score(std::span<const float> hidden, std::span<SequenceResult> results) {
  scored_rows_.clear();
  for (uint32_t i = 0; i < own_.size(); ++i) {
    if (!sequences_[own_[i].sequence].score) continue;
    scored_rows_.push_back(i);
    if (std::ranges::find(answered_, own_[i].sequence) == answered_.end()) {
      answered_.push_back(own_[i].sequence);
    }
  }
  const size_t n = network_.config().hidden_size;
  for (size_t begin = 0; begin < scored_rows_.size(); begin += logits_rows_) {
    const size_t count = std::min(logits_rows_, scored_rows_.size() - begin);
    network_.logits({hidden.data(), n, scored_rows_.data() + begin}, count, logits_.data());
    pool_->run(count, [&](size_t i, unsigned) {
      const OwnRow own = own_[scored_rows_[begin + i]];
      const auto row = logits_row(i);
      const float log_sum = kernels::log_sum_exp(kernels_, row.data(), row.size());
      scores_[i] =
          score_of(row, log_sum, *token_after(own, results), *sequences_[own.sequence].score);
    });
    for (size_t i = 0; i < count; ++i) {
      const OwnRow own = own_[scored_rows_[begin + i]];
      results[own.sequence].scores.push_back({own.row, std::move(scores_[i])});
    }
  }
}

// ---- the MTP layer -----------------------------------------------------------------------------

// How many tokens each drafting sequence got: decides where its drafts stand.
void RankRunner::share_accepted(const RankStep& step, std::span<const SequenceResult> results) {
  const DraftPlan& drafts = step.group->drafts.front();
  accepted_.assign(drafts.sequences.size(), 0);
  for (uint32_t i = drafts.bounds[index_]; i < drafts.bounds[index_ + 1]; ++i) {
    accepted_[i] = static_cast<uint32_t>(results[drafts.sequences[i]].tokens.size());
  }
  if (!accepted_.empty()) {
    group_.gather(drafts.bounds, sizeof(uint32_t), reinterpret_cast<std::byte*>(accepted_.data()));
  }
  sampled_.assign(sequences_.size(), 0);
  for (size_t i = 0; i < accepted_.size(); ++i) sampled_[drafts.sequences[i]] = accepted_[i];
}

// The token after an own row, if it is known: by the plan, or by what was just sampled.
std::optional<TokenId> RankRunner::token_after(OwnRow own,
                                               std::span<const SequenceResult> results) const {
  const SequenceRows& s = sequences_[own.sequence];
  if (own.row + 1 < s.tokens.size()) return s.tokens[own.row + 1];
  if (s.sampling == nullptr) return s.next;
  const size_t place = own.row + 1 - s.tokens.size();
  const auto& sampled = results[own.sequence].tokens;
  if (place >= sampled.size()) return std::nullopt;
  return sampled[place].token;
}

void RankRunner::lay_out_mtp(std::span<const SequenceResult> results) {
  mtp_plan_.clear();
  mtp_sources_.clear();
  mtp_next_.clear();
  last_mtp_.assign(sequences_.size(), 0);
  OwnRow run;  // the first of `count` rows that follow one another
  uint32_t count = 0;
  const auto end_run = [&] {
    const SequenceRows& s = sequences_[run.sequence];
    if (count != 0) mtp_plan_.add(s.pages, s.prompt_tokens, s.first + run.row, count);
    count = 0;
  };
  for (uint32_t i = 0; i < own_.size(); ++i) {
    const auto next = token_after(own_[i], results);
    if (!next) continue;
    const bool follows = own_[i].sequence == run.sequence && own_[i].row == run.row + count;
    if (count == 0 || !follows) {
      if (count != 0) end_run();
      run = own_[i];
    }
    ++count;
    last_mtp_[run.sequence] = static_cast<uint32_t>(mtp_next_.size());
    mtp_sources_.push_back(i);
    mtp_next_.push_back(*next);
  }
  if (count != 0) end_run();
}

void RankRunner::run_mtp(const RankStep& step, std::span<const float> hidden,
                         kvcache::PoolMemory& cache, std::span<SequenceResult> results) {
  lay_out_mtp(results);
  network_.mtp_entries(hidden, mtp_sources_, mtp_next_, mtp_plan_, cache);
  if (step.draft_sources.empty()) return;  // nobody drafts
  share_accepted(step, results);
  for (uint32_t depth = 0; depth < step.draft_sources.size(); ++depth) {
    draft(step.group->drafts[depth], depth, step, cache, results);
  }
}

// The position of the MTP row that drafts the token at this depth.
Position RankRunner::drafting_position(uint32_t sequence, uint32_t depth) const {
  const SequenceRows& s = sequences_[sequence];
  return static_cast<Position>(s.first + s.tokens.size() + sampled_[sequence] - 2 + depth);
}

// The rows that lead to the drafts of a depth: of the first, rows that the step has laid out; of a
// deeper one, new rows after the drafts before.
void RankRunner::draft(const DraftPlan& drafts, uint32_t depth, const RankStep& step,
                       kvcache::PoolMemory& cache, std::span<SequenceResult> results) {
  const auto own =
      std::span(drafts.sequences)
          .subspan(drafts.bounds[index_], drafts.bounds[index_ + 1] - drafts.bounds[index_]);
  draft_rows_.clear();
  if (depth == 0) {
    for (const uint32_t s : own) draft_rows_.push_back(last_mtp_[s]);
  } else {
    lay_out_deeper(own, depth, results);
    network_.mtp_entries(mtp_hidden_, mtp_sources_, mtp_next_, mtp_plan_, cache);
  }
  draft_plan_.clear();
  for (const uint32_t s : drafts.sequences) {
    draft_plan_.add(sequences_[s].pages, sequences_[s].prompt_tokens, drafting_position(s, depth),
                    1);
  }
  const layers::Batch batch{&draft_plan_, drafts.bounds, step.draft_sources[depth], 0};
  mtp_hidden_ = network_.mtp_hidden(draft_rows_, batch, cache);
  drafters_.assign(own.begin(), own.end());
  choose_drafts(own, depth, results);
}

// One MTP row for each own sequence that drafts deeper, from its output at the depth before.
void RankRunner::lay_out_deeper(std::span<const uint32_t> own, uint32_t depth,
                                std::span<const SequenceResult> results) {
  mtp_plan_.clear();
  mtp_sources_.clear();
  mtp_next_.clear();
  size_t before = 0;  // of the drafters of the depth before, which hold these in the same order
  for (const uint32_t s : own) {
    while (drafters_[before] != s) ++before;
    draft_rows_.push_back(static_cast<uint32_t>(mtp_sources_.size()));
    mtp_sources_.push_back(static_cast<uint32_t>(before));
    mtp_next_.push_back(results[s].drafts.back());
    mtp_plan_.add(sequences_[s].pages, sequences_[s].prompt_tokens, drafting_position(s, depth), 1);
  }
}

// A draft is what the sampler would draw if the MTP layer's logits were the model's.
void RankRunner::choose_drafts(std::span<const uint32_t> drafting, uint32_t depth,
                               std::span<SequenceResult> results) {
  const size_t n = network_.config().hidden_size;
  for (size_t begin = 0; begin < drafting.size(); begin += logits_rows_) {
    const size_t count = std::min(logits_rows_, drafting.size() - begin);
    network_.mtp_logits({mtp_hidden_.data() + begin * n, n, nullptr}, count, logits_.data());
    pool_->run(count, [&](size_t i, unsigned thread) {
      const uint32_t index = drafting[begin + i];
      const SequenceRows& s = sequences_[index];
      SequenceResult& result = results[index];
      std::vector<TokenId> fresh;
      for (const SampledToken& sampled : result.tokens) fresh.push_back(sampled.token);
      fresh.insert(fresh.end(), result.drafts.begin(), result.drafts.end());
      const auto row = logits_row(i);
      const TokenId token =
          samplers_[thread].choose(row, {*s.sampling, s.prompt, s.output, fresh, s.masked, s.choice,
                                         drafting_position(index, depth) + 2});
      const float log_sum = kernels::log_sum_exp(kernels_, row.data(), row.size());
      result.drafts.push_back(token);
      result.draft_logprobs.push_back({token, row[token] - log_sum});
    });
  }
}

}  // namespace baton::model
