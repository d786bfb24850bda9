#include "decode/running_batch.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/result.h"

namespace baton::decode {

RunningBatch::RunningBatch(const DecodeLimits& limits) : limits_(limits) {
  check(limits_.groups >= 1 && limits_.fill_rows_min >= 1 &&
            limits_.fill_rows_max >= limits_.fill_rows_min &&
            limits_.sequences_max + limits_.fill_rows_min <= limits_.rows_max,
        "a step must have room for every sequence's row and for some rows that fill");
}

void RunningBatch::add(Sequence sequence) {
  check(sequences_.size() < limits_.places(), "the batch is full");
  check(!sequence.tokens.empty() && sequence.cached < sequence.tokens.size(),
        "a sequence joins that has nothing to compute");
  sequence.group = lightest_group();
  sequence.tokens.reserve(size_t{sequence.prompt_tokens} + sequence.max_tokens);
  sequences_.push_back(std::make_unique<Sequence>(std::move(sequence)));
}

uint32_t RunningBatch::lightest_group() const {
  std::vector<std::pair<uint64_t, uint32_t>> loads(limits_.groups);  // tokens, sequences
  for (const auto& sequence : sequences_) {
    loads[sequence->group].first += sequence->tokens.size();
    ++loads[sequence->group].second;
  }
  for (auto& [tokens, sequences] : loads) {
    if (sequences >= limits_.sequences_max) tokens = std::numeric_limits<uint64_t>::max();
  }
  return static_cast<uint32_t>(std::ranges::min_element(loads) - loads.begin());
}

std::vector<PageId> RunningBatch::remove(RequestId request, std::optional<ChoiceIndex> choice) {
  std::vector<PageId> free;
  for (auto it = sequences_.begin(); it != sequences_.end();) {
    Sequence& sequence = **it;
    if (sequence.request != request || (choice && sequence.choice != *choice)) {
      ++it;
      continue;
    }
    const bool read = std::any_of(flight_.begin(), flight_.end(),
                                  [&](const Rows& rows) { return rows.sequence == &sequence; });
    if (read)
      removed_.push_back(std::move(*it));
    else
      free.insert(free.end(), sequence.pages.begin(), sequence.pages.end());
    it = sequences_.erase(it);
  }
  return free;
}

// Drafts that may be verified after the last known token: not beyond what may still be produced,
// not across the index from which stop tokens are allowed, and not where a token will be forced.
uint32_t RunningBatch::drafts_allowed(const Sequence& sequence) const {
  const auto produced = static_cast<uint32_t>(sequence.tokens.size()) - sequence.prompt_tokens;
  uint32_t most = std::min<uint32_t>(limits_.draft_tokens, sequence.max_tokens - produced - 1);
  if (produced < sequence.min_tokens) most = std::min(most, sequence.min_tokens - produced - 1);
  most = std::min(most, sequence.parts.free_tokens());
  return std::min(most, static_cast<uint32_t>(sequence.drafts.size()));
}

Sequence* RunningBatch::short_of_pages() {
  if (in_flight()) return nullptr;
  for (const auto& sequence : sequences_) {
    if (sequence->fills_only) continue;
    const uint64_t entries = sequence->tokens.size() + drafts_allowed(*sequence);
    if (entries > uint64_t{sequence->pages.size()} * kPageTokens) return sequence.get();
  }
  return nullptr;
}

RunningBatch::Rows RunningBatch::plan(Sequence& sequence, uint32_t rows) const {
  const uint32_t end = sequence.fills_only ? sequence.prompt_tokens - 1
                                           : static_cast<uint32_t>(sequence.tokens.size());
  const uint32_t pending = end - sequence.cached;
  Rows planned{&sequence, std::min(pending, rows), 0, false};
  if (sequence.fills_only || pending > rows) return planned;
  planned.samples = true;
  planned.drafts = std::min(drafts_allowed(sequence), rows - planned.known);
  if (sequence.form)
    planned.drafts = sequence.form->prepare(std::span(sequence.drafts).first(planned.drafts));
  return planned;
}

namespace {

bool fills(const Sequence& sequence) {
  return sequence.fills_only || sequence.tokens.size() - sequence.cached > 1;
}

}  // namespace

RunningBatch::Kinds RunningBatch::kinds() const {
  Kinds kinds;
  for (const auto& sequence : sequences_) {
    if (fills(*sequence)) {
      kinds.filling = true;
    } else {
      ++kinds.sampling;
    }
  }
  return kinds;
}

std::vector<model::SequenceRows> RunningBatch::build(uint32_t depth) {
  std::vector<model::SequenceRows> step;
  if (in_flight() || sequences_.empty()) return step;
  for (uint32_t group = 0; group < limits_.groups; ++group) build_group(group);
  for (const Rows& rows : flight_) step.push_back(rows_of(rows, depth));
  return step;
}

// One row for each that samples is certain; what fills gets its share before any draft does.
void RunningBatch::build_group(uint32_t group) {
  uint32_t sampling = 0;
  uint64_t filling = 0;
  for (const auto& sequence : sequences_) {
    if (sequence->group != group) continue;
    if (!fills(*sequence))
      ++sampling;
    else
      filling += sequence->tokens.size() - sequence->cached;
  }
  uint32_t fill_room = limits_.rows_max - sampling;
  if (sampling > 0) fill_room = std::min(fill_room, limits_.fill_rows_max);
  const auto fill_kept = static_cast<uint32_t>(std::min<uint64_t>(filling, limits_.fill_rows_min));
  uint32_t draft_room = limits_.rows_max - sampling - fill_kept;

  for (const auto& sequence : sequences_) {
    if (sequence->group != group || fills(*sequence)) continue;
    const Rows rows = plan(*sequence, 1 + draft_room);
    draft_room -= rows.drafts;
    flight_.push_back(rows);
  }
  fill_room = std::min(fill_room, draft_room + fill_kept);
  for (const auto& sequence : sequences_) {
    if (sequence->group != group || !fills(*sequence) || fill_room == 0) continue;
    const Rows rows = plan(*sequence, fill_room);
    fill_room -= rows.known + rows.drafts;
    flight_.push_back(rows);
  }
}

// Drafts for the next step that it can verify, and whose entries the pages hold: the one at depth d
// writes an entry at the last known position, or the last accepted draft's, plus d - 1.
uint32_t RunningBatch::drafts_useful(const Rows& rows, uint32_t depth) {
  const Sequence& s = *rows.sequence;
  if (!rows.samples) return 0;
  const auto produced = static_cast<uint32_t>(s.tokens.size()) - s.prompt_tokens;
  const uint32_t left = s.max_tokens - produced;  // at least 1: this step's
  const size_t room = s.pages.size() * kPageTokens - (s.tokens.size() + rows.drafts);
  return static_cast<uint32_t>(std::min<size_t>({depth, left < 2 ? 0 : left - 2, room + 1}));
}

model::SequenceRows RunningBatch::rows_of(const Rows& rows, uint32_t depth) const {
  const Sequence& sequence = *rows.sequence;
  const std::span<const TokenId> tokens(sequence.tokens);
  model::SequenceRows out;
  out.group = sequence.group;
  out.pages = sequence.pages;
  out.prompt_tokens = sequence.prompt_tokens;
  out.first = sequence.cached;
  out.tokens = tokens.subspan(sequence.cached, rows.known);
  out.choice = sequence.choice;
  out.draft_depth = drafts_useful(rows, std::min(depth, limits_.draft_tokens));
  if (!rows.samples) {
    out.next = tokens[sequence.cached + rows.known];
    out.score = sequence.score;
    return out;
  }
  out.sampling = &sequence.sampling;
  out.report = &sequence.report;
  out.drafts = std::span<const TokenId>(sequence.drafts).first(rows.drafts);
  out.prompt = tokens.first(sequence.prompt_tokens);
  out.output = tokens.subspan(sequence.prompt_tokens);
  if (out.output.size() < sequence.min_tokens) out.masked = sequence.stop_tokens;
  out.forced = sequence.parts.forced();
  if (sequence.form) out.masks = sequence.form->masks();
  return out;
}

// The row at position p scores the token at p + 1.
PromptScoreRun RunningBatch::scores_of(const Sequence& sequence, model::SequenceResult& result) {
  PromptScoreRun run{sequence.cached + 1, {}};
  run.scores.reserve(result.scores.size());
  for (model::ScoredRow& scored : result.scores) run.scores.push_back(std::move(scored.score));
  return run;
}

RunningBatch::Outcome RunningBatch::complete(std::vector<model::SequenceResult> results) {
  check(results.size() == flight_.size(), "a step has another number of results than sequences");
  Outcome outcome;
  for (size_t i = 0; i < flight_.size(); ++i) {
    const Rows& rows = flight_[i];
    Sequence& sequence = *rows.sequence;
    const bool gone = std::any_of(removed_.begin(), removed_.end(),
                                  [&](const auto& removed) { return removed.get() == &sequence; });
    if (gone) continue;
    model::SequenceResult& result = results[i];
    if (!rows.samples) {
      if (!result.scores.empty())
        outcome.scored.push_back({sequence.request, scores_of(sequence, result)});
      sequence.cached += rows.known;
      if (sequence.fills_only && sequence.cached + 1 == sequence.prompt_tokens)
        outcome.filled.push_back(sequence.request);
      continue;
    }
    check(!result.tokens.empty() && result.tokens.size() <= 1 + size_t{rows.drafts},
          "a sequence samples one token, and one more for each draft at most");
    for (const model::SampledToken& sampled : result.tokens) {
      sequence.tokens.push_back(sampled.token);
      sequence.parts.push(sampled.token);
      if (sequence.form) sequence.form->push(sampled.token);
    }
    sequence.cached = static_cast<uint32_t>(sequence.tokens.size()) - 1;
    sequence.drafts = std::move(result.drafts);
    outcome.sampled.push_back({sequence.request, sequence.choice, std::move(result.tokens)});
  }
  flight_.clear();
  outcome.freed = held_pages();
  removed_.clear();
  return outcome;
}

uint64_t RunningBatch::rows_waiting() const {
  uint64_t rows = 0;
  for (const auto& sequence : sequences_) rows += sequence->tokens.size() - sequence->cached - 1;
  return rows;
}

std::vector<PageId> RunningBatch::held_pages() const {
  std::vector<PageId> pages;
  for (const auto& sequence : removed_)
    pages.insert(pages.end(), sequence->pages.begin(), sequence->pages.end());
  return pages;
}

}  // namespace baton::decode
