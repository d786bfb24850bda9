#include "tests/simulation/fake_model.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>

#include "decode/output_text.h"
#include "model/constraint/matcher.h"
#include "model/constraint/specification.h"

namespace baton::simulation {
namespace {

uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

uint64_t weigh(uint64_t entry, uint32_t position) {
  return mix(entry ^ (uint64_t{position} + 1) * 0x9e3779b97f4a7c15u);
}

uint64_t entry_value(uint32_t layer, uint64_t before, TokenId token, bool prefill_form) {
  return mix(mix(before ^ (layer + 1) * 0xd6e8feb86659fd93u) ^ (token + 1) * 0xa0761d6478bd642fu ^
             (prefill_form ? 0x5050u : 0xdec0deu));
}

using Sums = std::array<uint64_t, kMainLayers>;

// A mask (if there is one) wins over what is masked.
TokenId sample(const Sums& sums, const SamplingParams& sampling, ChoiceIndex choice,
               uint32_t position, std::span<const TokenId> masked, std::span<const uint64_t> mask) {
  const auto forbidden = [&](TokenId token) {
    return std::find(masked.begin(), masked.end(), token) != masked.end();
  };
  const auto allowed = [&](TokenId token) { return mask.empty() || (mask[0] >> token & 1) != 0; };
  bool any = false;
  for (TokenId token = 0; token < kVocabulary; ++token)
    any = any || (allowed(token) && !forbidden(token));
  uint64_t key = mix(sums[0] ^ std::rotl(sums[1], 17) ^
                     mix(sampling.seed + choice * 977 + uint64_t{position} * 131071));
  for (;; key = mix(key + 1)) {
    const auto token = static_cast<TokenId>(key % kVocabulary);
    if (allowed(token) && !(any && forbidden(token))) return token;
  }
}

uint64_t read(const kvcache::PoolMemory& pool, std::span<const PageId> pages, uint32_t layer,
              uint32_t position) {
  uint64_t entry = 0;
  std::memcpy(&entry, pool.entry(pages[position / kPageTokens], layer, position % kPageTokens),
              sizeof entry);
  return entry;
}

void write(kvcache::PoolMemory& pool, std::span<const PageId> pages, uint32_t layer,
           uint32_t position, uint64_t entry) {
  std::memcpy(pool.entry(pages[position / kPageTokens], layer, position % kPageTokens), &entry,
              sizeof entry);
}

uint64_t sum_before(const kvcache::PoolMemory& pool, std::span<const PageId> pages, uint32_t layer,
                    uint32_t position) {
  uint64_t sum = 0;
  for (uint32_t j = 0; j < position; ++j) sum += weigh(read(pool, pages, layer, j), j);
  return sum;
}

void write_mtp(kvcache::PoolMemory& pool, std::span<const PageId> pages, uint32_t position,
               TokenId next) {
  write(pool, pages, kMainLayers, position,
        mix(read(pool, pages, 0, position) ^ (uint64_t{next} + 7)));
}

void add_row(Sums& sums, uint32_t position, TokenId token, bool prefill_form) {
  for (uint32_t layer = 0; layer < kMainLayers; ++layer)
    sums[layer] += weigh(entry_value(layer, sums[layer], token, prefill_form), position);
}

PromptScore score(const Sums& sums, TokenId token, uint32_t top) {
  const uint64_t key = mix(sums[0] ^ std::rotl(sums[1], 23) ^ token);
  PromptScore score;
  score.token = {token, -static_cast<float>(key % 1000) / 8};
  score.rank = 1 + static_cast<uint32_t>(key % 7);
  for (uint32_t i = 0; i < top; ++i)
    score.top.push_back({static_cast<TokenId>(i), -static_cast<float>(key % (100 + i))});
  return score;
}

}  // namespace

Manifest fake_manifest() {
  Manifest manifest;
  manifest.model_fingerprint = "fake";
  manifest.numeric_mode = "exact";
  manifest.cache_layers = kFormat.layers;
  manifest.cache_entry_bytes = kFormat.entry_bytes;
  return manifest;
}

text::Tokenizer fake_tokenizer() {
  nlohmann::json vocabulary;
  for (TokenId id = 0; id < 56; ++id) vocabulary[std::string(1, static_cast<char>('A' + id))] = id;
  // In the byte alphabet of BPE: C3 and E2 82 begin characters, A9 and AC end them.
  const char* const bytes[] = {"Ã", "©", "â", "¬", "ab", "Ċ", "Ġ"};
  TokenId id = 56;
  for (const char* text : bytes) vocabulary[text] = id++;
  nlohmann::json json;
  json["model"] = {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", nlohmann::json::array()}};
  json["added_tokens"] = {{{"id", kEndToken}, {"content", "<end>"}, {"special", true}}};
  json["pre_tokenizer"] = {{"type", "ByteLevel"}, {"add_prefix_space", false}};
  json["decoder"] = {{"type", "ByteLevel"}};
  auto tokenizer = text::Tokenizer::from_json(json, nlohmann::json::object());
  check(tokenizer.has_value(), tokenizer ? "" : tokenizer.error().message);
  return std::move(*tokenizer);
}

namespace {

// What a form allows, found by trying each token; apart from what decode does.
class SlowForm {
 public:
  SlowForm(const std::optional<ConstraintParams>& params, const text::Tokenizer& tokenizer,
           std::vector<TokenId> end_tokens)
      : params_(params), tokenizer_(tokenizer), end_tokens_(std::move(end_tokens)) {
    if (!params) return;
    automaton_ = constraint::compile(params->form, params->text);
    check(automaton_->has_value(), "a form of the simulation compiles");
    matcher_.emplace(**automaton_);
    waits_ = params->waits;
  }

  std::vector<uint64_t> mask() const {
    if (!params_) return {};
    uint64_t mask = 0;
    for (const TokenId token : end_tokens_) mask |= uint64_t{1} << token;
    if (waits_) return {~mask};
    mask = 0;
    for (TokenId token = 0; token < kEndToken; ++token) {
      constraint::Matcher probe = *matcher_;
      const auto bytes = tokenizer_.token_bytes(token);
      if (!bytes.empty() && probe.advance(bytes)) mask |= uint64_t{1} << token;
    }
    if (mask == 0 || matcher_->can_end()) {
      for (const TokenId token : end_tokens_) mask |= uint64_t{1} << token;
    }
    return {mask};
  }
  void push(TokenId token) {
    if (!params_) return;
    if (waits_)
      waits_ = token != params_->reasoning_end;
    else if (std::find(end_tokens_.begin(), end_tokens_.end(), token) == end_tokens_.end())
      matcher_->advance(tokenizer_.token_bytes(token));
  }

 private:
  std::optional<ConstraintParams> params_;
  const text::Tokenizer& tokenizer_;
  std::vector<TokenId> end_tokens_;
  std::optional<Result<constraint::Automaton>> automaton_;
  std::optional<constraint::Matcher> matcher_;
  bool waits_ = false;
};

}  // namespace

std::vector<TokenEvent> reference(const RequestState& request, ChoiceIndex choice,
                                  const text::Tokenizer& tokenizer) {
  decode::OutputText text(tokenizer, request, choice, {kEndToken});
  std::vector<TokenEvent> events;
  SlowForm form(request.constraint, tokenizer, text.stop_tokens());
  Sums sums{};
  const auto n = static_cast<uint32_t>(request.prompt.size());
  for (uint32_t p = 0; p < n; ++p) add_row(sums, p, request.prompt[p], p + 1 < n);
  for (uint32_t p = n - 1; !text.finished(); ++p) {
    if (p >= n) add_row(sums, p, events.back().token, false);
    const bool masked = events.size() < request.stop.min_tokens;
    const TokenId token =
        sample(sums, request.sampling, choice, p + 1,
               masked ? std::span<const TokenId>(text.stop_tokens()) : std::span<const TokenId>(),
               form.mask());
    events.push_back(text.push(text.parts().forced().value_or(token)));
    form.push(events.back().token);
  }
  return events;
}

std::vector<PromptScore> reference_scores(const RequestState& request) {
  std::vector<PromptScore> scores;
  Sums sums{};
  for (uint32_t p = 0; p + 1 < request.prompt.size(); ++p) {
    add_row(sums, p, request.prompt[p], true);
    scores.push_back(score(sums, request.prompt[p + 1], *request.report.prompt_logprobs));
  }
  return scores;
}

std::vector<model::ScoredRow> score_rows(const model::SequenceRows& rows,
                                         const kvcache::PoolMemory& pool) {
  std::vector<model::ScoredRow> scored;
  if (!rows.score) return scored;
  const auto count = static_cast<uint32_t>(rows.tokens.size());
  for (uint32_t i = 0; i < count; ++i) {
    Sums sums;
    for (uint32_t layer = 0; layer < kMainLayers; ++layer)
      sums[layer] = sum_before(pool, rows.pages, layer, rows.first + i + 1);
    scored.push_back(
        {i, score(sums, i + 1 < count ? rows.tokens[i + 1] : *rows.next, *rows.score)});
  }
  return scored;
}

void fill_layer(const model::SequenceRows& rows, kvcache::PoolMemory& pool, uint32_t layer) {
  const auto count = static_cast<uint32_t>(rows.tokens.size());
  check(rows.next.has_value(), "rows that only fill know the token after them");
  if (layer == kMainLayers) {
    for (uint32_t i = 0; i < count; ++i)
      write_mtp(pool, rows.pages, rows.first + i, i + 1 < count ? rows.tokens[i + 1] : *rows.next);
    return;
  }
  uint64_t sum = sum_before(pool, rows.pages, layer, rows.first);
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t p = rows.first + i;
    write(pool, rows.pages, layer, p,
          entry_value(layer, sum, rows.tokens[i], p + 1 < rows.prompt_tokens));
    sum += weigh(read(pool, rows.pages, layer, p), p);
  }
}

namespace {

void check_plan(const model::SequenceRows& rows) {
  const size_t end = rows.first + rows.tokens.size();
  check(rows.prompt.size() == rows.prompt_tokens, "the prompt of a plan has another length");
  check(rows.prompt.size() + rows.output.size() == end, "rows that sample end with the last token");
  for (size_t i = 0; i < rows.tokens.size(); ++i) {
    const size_t p = rows.first + i;
    const TokenId token =
        p < rows.prompt.size() ? rows.prompt[p] : rows.output[p - rows.prompt.size()];
    check(rows.tokens[i] == token, "a plan feeds another token than the request has");
  }
  check(rows.pages.size() * kPageTokens >= end + rows.drafts.size(), "a row lies beyond its pages");
}

}  // namespace

model::SequenceResult run_rows(const model::SequenceRows& rows, kvcache::PoolMemory& pool) {
  model::SequenceResult result;
  if (!rows.sampling) {
    for (uint32_t layer = 0; layer < kFormat.layers; ++layer) fill_layer(rows, pool, layer);
    result.scores = score_rows(rows, pool);
    return result;
  }
  check_plan(rows);
  Sums sums;
  for (uint32_t layer = 0; layer < kMainLayers; ++layer)
    sums[layer] = sum_before(pool, rows.pages, layer, rows.first);
  const auto known = static_cast<uint32_t>(rows.tokens.size());
  const auto count = known + static_cast<uint32_t>(rows.drafts.size());
  bool accepted = true;
  Sums sums_said{};
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t p = rows.first + i;
    const TokenId token = i < known ? rows.tokens[i] : rows.drafts[i - known];
    for (uint32_t layer = 0; layer < kMainLayers; ++layer) {
      write(pool, rows.pages, layer, p,
            entry_value(layer, sums[layer], token, p + 1 < rows.prompt_tokens));
      sums[layer] += weigh(read(pool, rows.pages, layer, p), p);
    }
    if (i + 1 < known) write_mtp(pool, rows.pages, p, rows.tokens[i + 1]);
    if (i + 1 < known || !accepted) continue;
    const bool forced = rows.forced && i + 1 == known;
    const auto mask = rows.masks.empty() ? rows.masks : rows.masks.subspan(i + 1 - known, 1);
    const TokenId said =
        forced ? *rows.forced : sample(sums, *rows.sampling, rows.choice, p + 1, rows.masked, mask);
    result.tokens.push_back({said, 0.0f, {}, {}});
    write_mtp(pool, rows.pages, p, said);
    sums_said = sums;
    accepted = i + 1 < count && rows.drafts[i + 1 - known] == said;
  }
  if (rows.draft_depth == 0) return result;
  const auto next = rows.first + known + static_cast<uint32_t>(result.tokens.size()) - 1;
  add_row(sums_said, next, result.tokens.back().token, false);
  for (uint32_t d = 0; d < rows.draft_depth; ++d) {
    TokenId draft = sample(sums_said, *rows.sampling, rows.choice, next + d + 1, {}, {});
    if (mix(sum_before(pool, rows.pages, kMainLayers, next + d)) % 3 == 0) draft = (draft + 1) % 62;
    result.drafts.push_back(draft);
    if (d + 1 == rows.draft_depth) break;
    write_mtp(pool, rows.pages, next + d, draft);
    add_row(sums_said, next + d + 1, draft, false);
  }
  return result;
}

}  // namespace baton::simulation
