#include "model/sampling.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/hash/counter_rng.h"
#include "base/result.h"

namespace baton::model {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();
constexpr float kLeast = std::numeric_limits<float>::lowest();
constexpr size_t kNucleusStart = 64;  // how many of the best are sorted first
constexpr size_t kNucleusGrowth = 8;

// Which of two tokens is more likely; the lower id of equals. What is no number comes last.
struct Better {
  std::span<const float> logits;
  float key(TokenId id) const { return std::isnan(logits[id]) ? kNever : logits[id]; }
  bool operator()(TokenId a, TokenId b) const { return key(a) != key(b) ? key(a) > key(b) : a < b; }
};

bool has_penalty(const SamplingParams& p) {
  return p.repetition_penalty != 1 || p.frequency_penalty != 0 || p.presence_penalty != 0;
}

}  // namespace

Sampler::Sampler(const kernels::Kernels& kernels, size_t vocabulary)
    : kernels_(kernels),
      adjusted_(vocabulary),
      weights_(vocabulary),
      ids_(vocabulary),
      in_output_(vocabulary),
      seen_(vocabulary) {}

TokenId Sampler::choose(std::span<const float> logits, const SamplingState& state) {
  check(logits.size() == weights_.size(), "a logits row has the vocabulary's size");
  const SamplingParams& params = state.params;
  const auto values = adjust(logits, state);
  if (params.temperature <= 0) return argmax(values);
  weigh(values, params.temperature);
  const auto kept = keep(values, params);
  return draw(kept, params.min_p, uniform_draw(params.seed, state.choice, state.position));
}

std::span<const float> Sampler::adjust(std::span<const float> logits, const SamplingState& state) {
  const SamplingParams& params = state.params;
  const bool plain = !has_penalty(params) && params.logit_bias.empty() && state.masked.empty() &&
                     params.allowed.empty() && params.bad_words.empty() && state.mask.empty();
  if (plain) return logits;
  std::ranges::copy(logits, adjusted_.begin());
  if (has_penalty(params)) penalise(state);
  for (const auto& [token, bias] : params.logit_bias) {
    if (token < adjusted_.size()) adjusted_[token] += bias;
  }
  forbid(state);
  for (const TokenId token : state.masked) {
    if (token < adjusted_.size()) adjusted_[token] = kNever;
  }
  if (!params.allowed.empty()) keep_only(params.allowed);
  if (!state.mask.empty()) keep_only(state.mask, logits);
  return adjusted_;
}

// A bad word's last token is out of the question where all before it have just been said.
void Sampler::forbid(const SamplingState& state) {
  const auto said = [&](size_t back) {  // the token `back` before the one to be chosen
    return back <= state.fresh.size()
               ? state.fresh[state.fresh.size() - back]
               : state.output[state.output.size() - (back - state.fresh.size())];
  };
  const size_t length = state.output.size() + state.fresh.size();
  for (const auto& word : state.params.bad_words) {
    if (word.empty() || word.size() - 1 > length || word.back() >= adjusted_.size()) continue;
    bool begun = true;
    for (size_t i = 0; begun && i + 1 < word.size(); ++i) {
      begun = said(word.size() - 1 - i) == word[i];
    }
    if (begun) adjusted_[word.back()] = kNever;
  }
}

// Where all allowed tokens are forbidden, allowing wins: something has to be said.
void Sampler::keep_only(std::span<const TokenId> allowed) {
  bool any = false;
  for (size_t i = 0; i < allowed.size(); ++i) {
    weights_[i] = adjusted_[allowed[i]];
    any = any || weights_[i] != kNever;
  }
  std::ranges::fill(adjusted_, kNever);
  for (size_t i = 0; i < allowed.size(); ++i) adjusted_[allowed[i]] = any ? weights_[i] : 0;
}

// Where all tokens of the mask are forbidden, they are as the model had them.
void Sampler::keep_only(std::span<const uint64_t> mask, std::span<const float> logits) {
  check(mask.size() == (adjusted_.size() + 63) / 64, "a mask has a bit for each token");
  const auto has = [&](size_t id) { return (mask[id / 64] >> (id % 64) & 1) != 0; };
  bool any = false;
  for (size_t id = 0; id < adjusted_.size(); ++id) {
    if (!has(id)) adjusted_[id] = kNever;
    any = any || adjusted_[id] > kNever;
  }
  if (any) return;
  for (size_t id = 0; id < adjusted_.size(); ++id) {
    if (has(id)) adjusted_[id] = logits[id] > kLeast ? logits[id] : kLeast;
  }
}

void Sampler::count(std::span<const TokenId> tokens, bool output) {
  for (const TokenId token : tokens) {
    check(token < seen_.size(), "a token lies inside the vocabulary");
    seen_[token] = true;
    if (output) ++in_output_[token];
  }
}

void Sampler::penalise(const SamplingState& state) {
  const SamplingParams& params = state.params;
  count(state.prompt, false);
  count(state.output, true);
  count(state.fresh, true);
  for (const auto tokens : {state.prompt, state.output, state.fresh}) {
    for (const TokenId token : tokens) {
      if (!seen_[token]) continue;  // done: it came earlier
      float value = adjusted_[token];
      value = value > 0 ? value / params.repetition_penalty : value * params.repetition_penalty;
      if (in_output_[token] > 0) {
        value -= params.frequency_penalty * static_cast<float>(in_output_[token]);
        value -= params.presence_penalty;
      }
      adjusted_[token] = value;
      seen_[token] = false;
      in_output_[token] = 0;
    }
  }
}

void Sampler::weigh(std::span<const float> logits, float temperature) {
  const float largest = kernels_.max(logits.data(), logits.size());
  for (size_t i = 0; i < logits.size(); ++i) weights_[i] = (logits[i] - largest) / temperature;
  kernels_.exp_sum(weights_.data(), 0, weights_.size(), weights_.data());
}

// The candidates that top_k and top_p leave, ids ascending.
std::span<const TokenId> Sampler::keep(std::span<const float> logits,
                                       const SamplingParams& params) {
  std::iota(ids_.begin(), ids_.end(), TokenId{0});
  size_t kept = ids_.size();
  if (params.top_k > 0 && params.top_k < kept) {
    kept = params.top_k;
    std::nth_element(ids_.begin(), ids_.begin() + static_cast<ptrdiff_t>(kept), ids_.end(),
                     Better{logits});
    std::sort(ids_.begin(), ids_.begin() + static_cast<ptrdiff_t>(kept));
  }
  if (params.top_p < 1) kept = nucleus(logits, kept, params.top_p);
  return std::span(ids_).first(kept);
}

// The shortest stretch of the best candidates with at least top_p of the weight of all `kept` ones.
// Sorts only as many as it needs; which ones it keeps doesn't depend on that.
size_t Sampler::nucleus(std::span<const float> logits, size_t kept, double top_p) {
  double total = 0;
  for (size_t i = 0; i < kept; ++i) total += weights_[ids_[i]];
  const auto begin = ids_.begin();
  const auto end = begin + static_cast<ptrdiff_t>(kept);
  size_t count = 0;
  double sum = 0;
  for (size_t sorted = kNucleusStart; count < kept && (count == 0 || sum < top_p * total);
       sorted *= kNucleusGrowth) {
    const auto from = begin + static_cast<ptrdiff_t>(count);
    const auto to = begin + static_cast<ptrdiff_t>(std::min(sorted, kept));
    if (to != end) std::nth_element(from, to, end, Better{logits});
    std::sort(from, to, Better{logits});
    for (auto at = from; at != to && (count == 0 || sum < top_p * total); ++at, ++count) {
      sum += weights_[*at];
    }
  }
  std::sort(begin, begin + static_cast<ptrdiff_t>(count));
  return count;
}

// The best token's weight is 1, so min_weight is min_p.
TokenId Sampler::draw(std::span<const TokenId> kept, float min_weight, double uniform) const {
  double total = 0;
  for (const TokenId id : kept) total += weights_[id] >= min_weight ? weights_[id] : 0;
  const double target = uniform * total;
  double sum = 0;
  for (const TokenId id : kept) {
    sum += weights_[id] >= min_weight ? weights_[id] : 0;
    if (sum > target) return id;
  }
  return kept.front();  // only where the logits are no numbers
}

TokenId argmax(std::span<const float> logits) {
  size_t best = 0;
  for (size_t i = 1; i < logits.size(); ++i) {
    if (logits[i] > logits[best]) best = i;
  }
  return static_cast<TokenId>(best);
}

std::vector<TokenLogprob> top_logprobs(std::span<const float> logits, float log_sum,
                                       uint32_t count) {
  std::vector<TokenLogprob> best;
  const size_t limit = std::min<size_t>(count, logits.size());
  if (limit == 0) return best;
  best.reserve(limit + 1);
  for (size_t i = 0; i < logits.size(); ++i) {
    if (best.size() == limit && !(logits[i] > best.back().logprob)) continue;
    const auto at = std::find_if(best.begin(), best.end(),
                                 [&](const TokenLogprob& b) { return b.logprob < logits[i]; });
    best.insert(at, {static_cast<TokenId>(i), logits[i]});
    if (best.size() > limit) best.pop_back();
  }
  for (TokenLogprob& each : best) each.logprob -= log_sum;
  return best;
}

PromptScore score_of(std::span<const float> logits, float log_sum, TokenId token, uint32_t top) {
  PromptScore score;
  score.token = {token, logits[token] - log_sum};
  score.rank = 1 + static_cast<uint32_t>(std::ranges::count_if(
                       logits, [&](float other) { return other > logits[token]; }));
  score.top = top_logprobs(logits, log_sum, top);
  return score;
}

Digest logits_digest(std::span<const float> logits) { return digest(std::as_bytes(logits)); }

}  // namespace baton::model
