// Sampling: from a row of logits to a token, and what is reported of the row.
//
// A pure function of the row, the parameters, the tokens before, and (seed, choice, position).
// In this order: repetition penalty over prompt and output, frequency and presence penalty over the
// output, logit_bias, bad words, masked tokens, allowed tokens, the mask of an answer's form (which
// always wins: a token outside of it is never chosen); then greedy (ties to the lower id) at
// temperature 0; else temperature, top_k, top_p over what top_k kept, min_p relative to the
// best; then the inverse of the distribution function in the order of token ids, at
// uniform_draw(seed, choice, position). Log-probabilities are of the raw row, before all this.
// Thread safety: one thread a Sampler.
#pragma once

#include <span>
#include <vector>

#include "base/hash/digest.h"
#include "model/kernels/kernels.h"
#include "proto/request.h"

namespace baton::model {

struct SamplingState {
  const SamplingParams& params;
  std::span<const TokenId> prompt;
  std::span<const TokenId> output;  // generated in earlier steps
  std::span<const TokenId> fresh;   // generated in this step, after `output`
  std::span<const TokenId> masked;
  ChoiceIndex choice = 0;
  Position position = 0;           // of the token to be chosen
  std::span<const uint64_t> mask;  // [(vocab + 63) / 64]: bits of what may be chosen; empty: all
};

class Sampler {
 public:
  Sampler(const kernels::Kernels& kernels, size_t vocabulary);

  TokenId choose(std::span<const float> logits, const SamplingState& state);

 private:
  std::span<const float> adjust(std::span<const float> logits, const SamplingState& state);
  void penalise(const SamplingState& state);
  void forbid(const SamplingState& state);
  void keep_only(std::span<const TokenId> allowed);
  void keep_only(std::span<const uint64_t> mask, std::span<const float> logits);
  void count(std::span<const TokenId> tokens, bool output);
  void weigh(std::span<const float> logits, float temperature);
  std::span<const TokenId> keep(std::span<const float> logits, const SamplingParams& params);
  size_t nucleus(std::span<const float> logits, size_t kept, double top_p);
  TokenId draw(std::span<const TokenId> kept, float min_weight, double uniform) const;

  const kernels::Kernels& kernels_;
  std::vector<float> adjusted_;      // [vocab]
  std::vector<float> weights_;       // [vocab]: exp((logit - max) / temperature)
  std::vector<TokenId> ids_;         // [vocab]: candidates
  std::vector<uint32_t> in_output_;  // [vocab]: times generated; all 0 between calls
  std::vector<bool> seen_;           // [vocab]: in prompt or output; all false between calls
};

// The largest logit's id, the lowest of equals.
TokenId argmax(std::span<const float> logits);

// The `count` most likely tokens, best first, the lower id of equals.
std::vector<TokenLogprob> top_logprobs(std::span<const float> logits, float log_sum,
                                       uint32_t count);

// What the model thought of `token`. logits: the row that predicts it.
PromptScore score_of(std::span<const float> logits, float log_sum, TokenId token, uint32_t top);

Digest logits_digest(std::span<const float> logits);

}  // namespace baton::model
