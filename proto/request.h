// What a request is, once the gateway has understood it: the one state that crosses the hand-off.
//
// RequestState is versioned; proto/codec round-trips every field, and a test fails when a field is
// added without its round trip. Thread safety: values.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/hash/digest.h"
#include "proto/ids.h"

namespace baton {

// How tokens are chosen. Defaults are OpenAI's. Ranges are checked by the gateway and by decode.
struct SamplingParams {
  float temperature = 1.0f;         // 0 is greedy
  float top_p = 1.0f;               // (0, 1]
  uint32_t top_k = 0;               // 0: all
  float min_p = 0.0f;               // [0, 1]
  float presence_penalty = 0.0f;    // over the choice's own output
  float frequency_penalty = 0.0f;   // over the choice's own output
  float repetition_penalty = 1.0f;  // over prompt and output
  uint64_t seed = 0;                // always set: drawn by the gateway if the client gave none
  std::vector<std::pair<TokenId, float>> logit_bias;  // added to the logits, ids ascending
  std::vector<TokenId> allowed;                 // only these may be chosen, ascending; empty: all
  std::vector<std::vector<TokenId>> bad_words;  // no choice's output may hold one of them
  friend bool operator==(const SamplingParams&, const SamplingParams&) = default;
};

// When an answer ends.
struct StopParams {
  uint32_t max_tokens = 16;  // 0: nothing is generated, the prompt is only scored
  uint32_t min_tokens = 0;   // end-of-sequence and stop tokens are masked before that many
  bool ignore_eos = false;
  std::vector<std::string> strings;  // compared with the text, cut off unless include_string
  std::vector<TokenId> tokens;       // besides the model's own end-of-sequence tokens
  bool include_string = false;
  friend bool operator==(const StopParams&, const StopParams&) = default;
};

// What is reported beside the text.
struct ReportParams {
  bool logprobs = false;
  uint32_t top_logprobs = 0;        // 0..20 alternatives a token
  bool skip_special_tokens = true;  // in the text
  bool logits_digest = false;       // XXH3-128 of each token's logits: the oracle of rule 2
  // Scores of the prompt's tokens from the second on, and 0..20 alternatives to each. Such a
  // request computes all of its prompt: it takes nothing from a prefix cache.
  std::optional<uint32_t> prompt_logprobs;
  friend bool operator==(const ReportParams&, const ReportParams&) = default;
};

// What a stretch of an answer is.
enum class Part : uint8_t { content, reasoning, tool };

// A token that is no text: it ends what comes before it and opens another part of the answer.
struct Marker {
  TokenId token = 0;
  Part opens = Part::content;
  friend bool operator==(const Marker&, const Marker&) = default;
};

// How an answer is cut into parts, by token id. Stop strings end content only.
struct PartParams {
  Part first = Part::content;   // what the prompt has opened
  std::vector<Marker> markers;  // tokens ascending
  // After that many tokens of reasoning the marker that opens content is forced.
  std::optional<uint32_t> reasoning_max;
  friend bool operator==(const PartParams&, const PartParams&) = default;
};

// The form that an answer must have (model/constraint). It binds content only.
struct ConstraintParams {
  enum class Form : uint8_t { json_object, json_schema, regex, choice, grammar };
  Form form = Form::json_object;
  std::string text;    // the schema, pattern or grammar; of choice: a JSON list of texts
  bool waits = false;  // the prompt has opened reasoning: it begins after reasoning_end
  std::optional<TokenId> reasoning_end;
  std::optional<TokenId> reasoning_begin;  // may come first; then it waits too
  std::optional<TokenId> call_begin;       // may come first; then there is no form to keep
  friend bool operator==(const ConstraintParams&, const ConstraintParams&) = default;
};

struct RequestState {
  static constexpr uint32_t kVersion = 1;

  RequestId id;
  Attempt attempt;
  std::string model;
  std::vector<TokenId> prompt;  // n >= 1 tokens
  uint32_t choices = 1;
  SamplingParams sampling;
  StopParams stop;
  ReportParams report;
  PartParams parts;
  std::optional<ConstraintParams> constraint;
  // Tokens that a client already has, by choice: replayed, not sampled. Empty on the first attempt.
  std::vector<std::vector<TokenId>> known;
  std::string tenant;  // who pays and shares caches: names an API key; empty: the default tenant
  std::string cache_salt;             // a tenant's requests share caches under the same salt only
  int32_t priority = 0;               // lower is earlier
  std::optional<Duration> time_left;  // to the request's deadline, at the moment of sending
  Duration age{};                     // since its gateway took it, at the moment of sending
  friend bool operator==(const RequestState&, const RequestState&) = default;
};

enum class FinishReason : uint8_t { stop, length };

struct TokenLogprob {
  TokenId token = 0;
  float logprob = 0;  // natural log, of the raw model distribution
  friend bool operator==(const TokenLogprob&, const TokenLogprob&) = default;
};

// What the model thought of one token of the prompt, given those before it.
struct PromptScore {
  TokenLogprob token;
  uint32_t rank = 1;              // 1: no token was more likely
  std::vector<TokenLogprob> top;  // best first
  friend bool operator==(const PromptScore&, const PromptScore&) = default;
};

// The scores of prompt tokens first, first + 1, ...; the first token of a prompt has none.
struct PromptScoreRun {
  uint32_t first = 1;
  std::vector<PromptScore> scores;
  friend bool operator==(const PromptScoreRun&, const PromptScoreRun&) = default;
};

// One token of one choice, with the text that is certain once it is known. A marker's own spelling
// is no text: what was held back before it comes with it.
struct TokenEvent {
  ChoiceIndex choice = 0;
  uint32_t index = 0;  // 0 is the first generated token
  TokenId token = 0;
  std::string text;   // may be empty: half a character or a possible stop string is held back
  float logprob = 0;  // set if logprobs were asked for
  std::vector<TokenLogprob> top;  // best first
  Digest logits;                  // set if logits_digest was asked for
  // Set on the choice's last token. `text` then holds all that was held back and belongs to it.
  std::optional<FinishReason> finish;
  std::string stop_string;  // the stop string that ended it, if one did
  friend bool operator==(const TokenEvent&, const TokenEvent&) = default;
};

}  // namespace baton
