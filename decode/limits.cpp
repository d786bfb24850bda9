#include "decode/limits.h"

#include <algorithm>
#include <cmath>

namespace baton::decode {

PageNeed page_need(uint32_t prompt_tokens, uint32_t choices, uint32_t tokens) {
  const uint32_t entries = prompt_tokens - 1;
  const uint32_t full = entries / kPageTokens;
  // The last token that a choice may produce is never fed, so it needs no entry.
  const uint32_t whole = pages_for(uint64_t{entries} + tokens);
  PageNeed need;
  need.prompt = pages_for(entries);
  need.growth = whole - need.prompt + (choices - 1) * (whole - full);
  return need;
}

uint32_t tokens_ahead(const RequestState& request, const DecodeLimits& limits) {
  size_t known = 0;
  for (const auto& tokens : request.known) known = std::max(known, tokens.size());
  return static_cast<uint32_t>(
      std::min<uint64_t>(request.stop.max_tokens, known + uint64_t{limits.growth_tokens}));
}

PageNeed page_need(const RequestState& request, const DecodeLimits& limits) {
  return page_need(static_cast<uint32_t>(request.prompt.size()), request.choices,
                   tokens_ahead(request, limits));
}

namespace {

Result<void> validate_tokens(const std::vector<TokenId>& tokens, uint32_t vocab_size) {
  for (const TokenId token : tokens)
    if (token >= vocab_size)
      return fail(ErrorCode::invalid_argument, "token {} is not in the vocabulary of {}", token,
                  vocab_size);
  return {};
}

Result<void> validate_sampling(const SamplingParams& sampling, const DecodeLimits& limits,
                               uint32_t vocab_size) {
  const auto in = [](float value, float low, float high) {
    return std::isfinite(value) && value >= low && value <= high;
  };
  if (!in(sampling.temperature, 0, 100))
    return fail(ErrorCode::invalid_argument, "temperature {} is not between 0 and 100",
                sampling.temperature);
  if (!in(sampling.top_p, 0, 1) || sampling.top_p == 0)
    return fail(ErrorCode::invalid_argument, "top_p {} is not above 0 and at most 1",
                sampling.top_p);
  if (!in(sampling.min_p, 0, 1))
    return fail(ErrorCode::invalid_argument, "min_p {} is not between 0 and 1", sampling.min_p);
  if (!std::isfinite(sampling.presence_penalty) || !std::isfinite(sampling.frequency_penalty) ||
      !std::isfinite(sampling.repetition_penalty) || sampling.repetition_penalty <= 0)
    return fail(ErrorCode::invalid_argument, "a penalty is out of its range");
  for (const auto& [token, bias] : sampling.logit_bias)
    if (token >= vocab_size || !std::isfinite(bias))
      return fail(ErrorCode::invalid_argument, "logit_bias names token {}, the vocabulary has {}",
                  token, vocab_size);
  BATON_CHECKED(validate_tokens(sampling.allowed, vocab_size));
  if (sampling.bad_words.size() > limits.bad_words_max)
    return fail(ErrorCode::invalid_argument, "{} bad words are more than {}",
                sampling.bad_words.size(), limits.bad_words_max);
  for (const auto& word : sampling.bad_words) {
    BATON_CHECKED(validate_tokens(word, vocab_size));
    if (word.size() > limits.bad_word_tokens_max)
      return fail(ErrorCode::invalid_argument, "a bad word has {} tokens, more than {}",
                  word.size(), limits.bad_word_tokens_max);
  }
  return {};
}

Result<void> validate_report(const ReportParams& report, const DecodeLimits& limits) {
  if (report.top_logprobs > limits.alternatives_max)
    return fail(ErrorCode::invalid_argument, "top_logprobs {} is more than {}", report.top_logprobs,
                limits.alternatives_max);
  if (report.prompt_logprobs.value_or(0) > limits.alternatives_max)
    return fail(ErrorCode::invalid_argument, "prompt_logprobs {} is more than {}",
                *report.prompt_logprobs, limits.alternatives_max);
  return {};
}

}  // namespace

Result<void> validate(const RequestState& request, const DecodeLimits& limits,
                      const ModelFacts& model, uint32_t pool_pages) {
  const uint64_t n = request.prompt.size();
  const uint64_t most = request.stop.max_tokens;
  if (n == 0) return fail(ErrorCode::invalid_argument, "the prompt is empty");
  if (most == 0 && !request.report.prompt_logprobs)
    return fail(ErrorCode::invalid_argument, "max_tokens is 0 and the prompt is not to be scored");
  if (n + most > uint64_t{model.context_max} + 1)  // the last token is never fed
    return fail(
        ErrorCode::invalid_argument,
        "{} prompt tokens and max_tokens {} are more than the {} that the model can attend to", n,
        most, model.context_max);
  const uint32_t choices_max = std::min(limits.choices_max, limits.places());
  if (request.choices == 0 || request.choices > choices_max)
    return fail(ErrorCode::invalid_argument, "{} choices are not between 1 and {}", request.choices,
                choices_max);
  if (request.stop.strings.size() > limits.stop_strings_max)
    return fail(ErrorCode::invalid_argument, "{} stop strings are more than {}",
                request.stop.strings.size(), limits.stop_strings_max);
  if (request.parts.markers.size() > limits.markers_max)
    return fail(ErrorCode::invalid_argument, "{} markers are more than {}",
                request.parts.markers.size(), limits.markers_max);
  if (request.constraint && request.constraint->text.size() > limits.form_bytes_max)
    return fail(ErrorCode::invalid_argument, "the form of the answer has {} bytes, more than {}",
                request.constraint->text.size(), limits.form_bytes_max);
  if (request.constraint && model.end_tokens.empty())
    return fail(ErrorCode::invalid_argument,
                "an answer of a given form has to end, and this model has no token for that");
  BATON_CHECKED(validate_report(request.report, limits));
  if (!request.known.empty() && request.known.size() != request.choices)
    return fail(ErrorCode::invalid_argument, "known tokens of {} choices, but {} choices",
                request.known.size(), request.choices);
  BATON_CHECKED(validate_sampling(request.sampling, limits, model.vocab_size));
  BATON_CHECKED(validate_tokens(request.prompt, model.vocab_size));
  for (const auto& known : request.known) {
    BATON_CHECKED(validate_tokens(known, model.vocab_size));
    if (known.size() > most)
      return fail(ErrorCode::invalid_argument, "{} known tokens are more than max_tokens {}",
                  known.size(), most);
  }
  const uint64_t pages =
      page_need(static_cast<uint32_t>(n), request.choices, request.stop.max_tokens).total();
  if (pages > pool_pages)
    return fail(ErrorCode::invalid_argument, "the request needs {} pages, this instance has {}",
                pages, pool_pages);
  return {};
}

}  // namespace baton::decode
