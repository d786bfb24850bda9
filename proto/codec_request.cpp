#include <algorithm>
#include <functional>

#include "proto/codec_internal.h"

namespace baton::rpc {

namespace {

v1::FinishReason encode(FinishReason from) {
  return from == FinishReason::stop ? v1::FINISH_REASON_STOP : v1::FINISH_REASON_LENGTH;
}

FinishReason decode(v1::FinishReason from, Fault& fault) {
  switch (from) {
    case v1::FINISH_REASON_STOP:
      return FinishReason::stop;
    case v1::FINISH_REASON_LENGTH:
      return FinishReason::length;
    default:
      fault.note("TokenEvent.finish", "is an unknown finish reason");
      return FinishReason::stop;
  }
}

v1::Part encode(Part from) {
  switch (from) {
    case Part::content:
      return v1::PART_CONTENT;
    case Part::reasoning:
      return v1::PART_REASONING;
    case Part::tool:
      return v1::PART_TOOL;
  }
  return v1::PART_UNSPECIFIED;
}

Part decode(v1::Part from, Fault& fault) {
  switch (from) {
    case v1::PART_CONTENT:
      return Part::content;
    case v1::PART_REASONING:
      return Part::reasoning;
    case v1::PART_TOOL:
      return Part::tool;
    default:
      fault.note("PartParams", "names an unknown part of an answer");
      return Part::content;
  }
}

void encode(const PartParams& from, v1::PartParams* to) {
  to->set_first(encode(from.first));
  for (const auto& marker : from.markers) {
    auto* entry = to->add_markers();
    entry->set_token(marker.token);
    entry->set_opens(encode(marker.opens));
  }
  if (from.reasoning_max) to->set_reasoning_max(*from.reasoning_max);
}

PartParams decode(const v1::PartParams& from, Fault& fault) {
  PartParams to;
  to.first = decode(from.first(), fault);
  to.markers.reserve(from.markers_size());
  for (const auto& entry : from.markers()) {
    const TokenId token = fault.token(entry.token(), "markers");
    if (!to.markers.empty() && token <= to.markers.back().token)
      fault.note("markers", "are not in the order of their tokens");
    to.markers.push_back({.token = token, .opens = decode(entry.opens(), fault)});
  }
  if (from.has_reasoning_max()) to.reasoning_max = from.reasoning_max();
  return to;
}

v1::ConstraintForm encode(ConstraintParams::Form from) {
  switch (from) {
    case ConstraintParams::Form::json_object:
      return v1::CONSTRAINT_FORM_JSON_OBJECT;
    case ConstraintParams::Form::json_schema:
      return v1::CONSTRAINT_FORM_JSON_SCHEMA;
    case ConstraintParams::Form::regex:
      return v1::CONSTRAINT_FORM_REGEX;
    case ConstraintParams::Form::choice:
      return v1::CONSTRAINT_FORM_CHOICE;
    case ConstraintParams::Form::grammar:
      return v1::CONSTRAINT_FORM_GRAMMAR;
  }
  return v1::CONSTRAINT_FORM_UNSPECIFIED;
}

ConstraintParams::Form decode(v1::ConstraintForm from, Fault& fault) {
  using Form = ConstraintParams::Form;
  switch (from) {
    case v1::CONSTRAINT_FORM_JSON_OBJECT:
      return Form::json_object;
    case v1::CONSTRAINT_FORM_JSON_SCHEMA:
      return Form::json_schema;
    case v1::CONSTRAINT_FORM_REGEX:
      return Form::regex;
    case v1::CONSTRAINT_FORM_CHOICE:
      return Form::choice;
    case v1::CONSTRAINT_FORM_GRAMMAR:
      return Form::grammar;
    default:
      fault.note("ConstraintParams.form", "is an unknown form of an answer");
      return Form::json_object;
  }
}

void encode(const ConstraintParams& from, v1::ConstraintParams* to) {
  to->set_form(encode(from.form));
  to->set_text(from.text);
  to->set_waits(from.waits);
  if (from.reasoning_end) to->set_reasoning_end(*from.reasoning_end);
  if (from.reasoning_begin) to->set_reasoning_begin(*from.reasoning_begin);
  if (from.call_begin) to->set_call_begin(*from.call_begin);
}

ConstraintParams decode(const v1::ConstraintParams& from, Fault& fault) {
  ConstraintParams to;
  to.form = decode(from.form(), fault);
  to.text = from.text();
  to.waits = from.waits();
  const auto token = [&fault](uint32_t id) { return fault.token(id, "ConstraintParams"); };
  if (from.has_reasoning_end()) to.reasoning_end = token(from.reasoning_end());
  if (from.has_reasoning_begin()) to.reasoning_begin = token(from.reasoning_begin());
  if (from.has_call_begin()) to.call_begin = token(from.call_begin());
  return to;
}

template <class Repeated>
void encode_alternatives(const std::vector<TokenLogprob>& from, Repeated* to) {
  for (const auto& alternative : from) {
    auto* entry = to->Add();
    entry->set_token(alternative.token);
    entry->set_logprob(alternative.logprob);
  }
}

template <class Repeated>
std::vector<TokenLogprob> decode_alternatives(const Repeated& from, std::string_view field,
                                              Fault& fault) {
  std::vector<TokenLogprob> to;
  to.reserve(from.size());
  for (const auto& entry : from) {
    to.push_back({.token = fault.token(entry.token(), field),
                  .logprob = fault.finite(entry.logprob(), field)});
  }
  return to;
}

// The length of the UTF-8 sequence at the start of `text`, or 0 if there is none.
size_t sequence_length(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return 1;
  const size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  // Overlong forms, surrogates and what lies past U+10FFFF.
  if ((lead == 0xE0 && byte(1) < 0xA0) || (lead == 0xED && byte(1) > 0x9F)) return 0;
  if ((lead == 0xF0 && byte(1) < 0x90) || (lead == 0xF4 && byte(1) > 0x8F)) return 0;
  return length;
}

}  // namespace

std::string utf8(const std::string& text) {
  std::string result;
  result.reserve(text.size());
  for (std::string_view rest = text; !rest.empty();) {
    const size_t length = sequence_length(rest);
    result += length == 0 ? std::string_view("\xEF\xBF\xBD") : rest.substr(0, length);
    rest.remove_prefix(std::max<size_t>(length, 1));
  }
  return result;
}

void encode(const Digest& from, v1::Digest* to) {
  to->set_low(from.low);
  to->set_high(from.high);
}

Digest decode(const v1::Digest& from) { return {.low = from.low(), .high = from.high()}; }

void encode(const SamplingParams& from, v1::SamplingParams* to) {
  to->set_temperature(from.temperature);
  to->set_top_p(from.top_p);
  to->set_top_k(from.top_k);
  to->set_min_p(from.min_p);
  to->set_presence_penalty(from.presence_penalty);
  to->set_frequency_penalty(from.frequency_penalty);
  to->set_repetition_penalty(from.repetition_penalty);
  to->set_seed(from.seed);
  for (const auto& [token, bias] : from.logit_bias) {
    auto* entry = to->add_logit_bias();
    entry->set_token(token);
    entry->set_bias(bias);
  }
  encode_tokens(from.allowed, to->mutable_allowed());
  for (const auto& tokens : from.bad_words)
    encode_tokens(tokens, to->add_bad_words()->mutable_ids());
}

SamplingParams decode(const v1::SamplingParams& from, Fault& fault) {
  SamplingParams to;
  if (from.has_temperature()) to.temperature = fault.finite(from.temperature(), "temperature");
  if (from.has_top_p()) to.top_p = fault.finite(from.top_p(), "top_p");
  to.top_k = from.top_k();
  to.min_p = fault.finite(from.min_p(), "min_p");
  to.presence_penalty = fault.finite(from.presence_penalty(), "presence_penalty");
  to.frequency_penalty = fault.finite(from.frequency_penalty(), "frequency_penalty");
  if (from.has_repetition_penalty())
    to.repetition_penalty = fault.finite(from.repetition_penalty(), "repetition_penalty");
  to.seed = from.seed();
  to.logit_bias.reserve(from.logit_bias_size());
  for (const auto& entry : from.logit_bias()) {
    const TokenId token = fault.token(entry.token(), "logit_bias");
    if (!to.logit_bias.empty() && token <= to.logit_bias.back().first)
      fault.note("logit_bias", "does not list its tokens in ascending order");
    to.logit_bias.emplace_back(token, fault.finite(entry.bias(), "logit_bias"));
  }
  to.allowed = fault.tokens(from.allowed(), "allowed");
  if (std::adjacent_find(to.allowed.begin(), to.allowed.end(), std::greater_equal<>()) !=
      to.allowed.end())
    fault.note("allowed", "does not list its tokens in ascending order");
  to.bad_words.reserve(from.bad_words_size());
  for (const auto& tokens : from.bad_words())
    to.bad_words.push_back(fault.tokens(tokens.ids(), "bad_words"));
  return to;
}

void encode(const StopParams& from, v1::StopParams* to) {
  to->set_max_tokens(from.max_tokens);
  to->set_min_tokens(from.min_tokens);
  to->set_ignore_eos(from.ignore_eos);
  for (const auto& text : from.strings) to->add_strings(utf8(text));
  encode_tokens(from.tokens, to->mutable_tokens());
  to->set_include_string(from.include_string);
}

StopParams decode(const v1::StopParams& from, Fault& fault) {
  StopParams to;
  if (from.has_max_tokens()) to.max_tokens = from.max_tokens();
  to.min_tokens = from.min_tokens();
  to.ignore_eos = from.ignore_eos();
  to.strings.assign(from.strings().begin(), from.strings().end());
  to.tokens = fault.tokens(from.tokens(), "stop tokens");
  to.include_string = from.include_string();
  return to;
}

void encode(const ReportParams& from, v1::ReportParams* to) {
  to->set_logprobs(from.logprobs);
  to->set_top_logprobs(from.top_logprobs);
  to->set_skip_special_tokens(from.skip_special_tokens);
  to->set_logits_digest(from.logits_digest);
  if (from.prompt_logprobs) to->set_prompt_logprobs(*from.prompt_logprobs);
}

ReportParams decode(const v1::ReportParams& from) {
  ReportParams to;
  to.logprobs = from.logprobs();
  to.top_logprobs = from.top_logprobs();
  if (from.has_skip_special_tokens()) to.skip_special_tokens = from.skip_special_tokens();
  to.logits_digest = from.logits_digest();
  if (from.has_prompt_logprobs()) to.prompt_logprobs = from.prompt_logprobs();
  return to;
}

void encode(const RequestState& from, v1::RequestState* to) {
  to->set_version(RequestState::kVersion);
  to->set_id(from.id.value);
  to->set_attempt(from.attempt.value);
  to->set_model(utf8(from.model));
  encode_tokens(from.prompt, to->mutable_prompt());
  to->set_choices(from.choices);
  encode(from.sampling, to->mutable_sampling());
  encode(from.stop, to->mutable_stop());
  encode(from.report, to->mutable_report());
  if (from.parts != PartParams{}) encode(from.parts, to->mutable_parts());
  if (from.constraint) encode(*from.constraint, to->mutable_constraint());
  for (const auto& tokens : from.known) encode_tokens(tokens, to->add_known()->mutable_ids());
  to->set_tenant(from.tenant);
  to->set_cache_salt(from.cache_salt);
  to->set_priority(from.priority);
  if (from.time_left) to->set_time_left_ns(from.time_left->count());
  to->set_age_ns(from.age.count());
}

RequestState decode(const v1::RequestState& from, Fault& fault) {
  RequestState to;
  if (from.version() != RequestState::kVersion)
    fault.note("RequestState.version", "is not one that this build knows");
  fault.need(from.has_sampling(), "RequestState.sampling");
  fault.need(from.has_stop(), "RequestState.stop");
  fault.need(from.has_report(), "RequestState.report");
  to.id = RequestId(from.id());
  to.attempt = Attempt(from.attempt());
  to.model = from.model();
  to.prompt = fault.tokens(from.prompt(), "prompt");
  to.choices = from.choices();
  to.sampling = decode(from.sampling(), fault);
  to.stop = decode(from.stop(), fault);
  to.report = decode(from.report());
  if (from.has_parts()) to.parts = decode(from.parts(), fault);
  if (from.has_constraint()) to.constraint = decode(from.constraint(), fault);
  to.known.reserve(from.known_size());
  for (const auto& tokens : from.known()) to.known.push_back(fault.tokens(tokens.ids(), "known"));
  to.tenant = from.tenant();
  to.cache_salt = from.cache_salt();
  to.priority = from.priority();
  if (from.has_time_left_ns()) to.time_left = Duration(from.time_left_ns());
  to.age = Duration(std::max<int64_t>(from.age_ns(), 0));
  return to;
}

void encode(const TokenEvent& from, v1::TokenEvent* to) {
  to->set_choice(from.choice);
  to->set_index(from.index);
  to->set_token(from.token);
  to->set_text(utf8(from.text));
  to->set_logprob(from.logprob);
  encode_alternatives(from.top, to->mutable_top());
  if (from.logits != Digest{}) encode(from.logits, to->mutable_logits());
  if (from.finish) to->set_finish(encode(*from.finish));
  to->set_stop_string(utf8(from.stop_string));
}

TokenEvent decode(const v1::TokenEvent& from, Fault& fault) {
  TokenEvent to;
  to.choice = from.choice();
  to.index = from.index();
  to.token = fault.token(from.token(), "TokenEvent.token");
  to.text = from.text();
  to.logprob = fault.finite(from.logprob(), "TokenEvent.logprob");
  to.top = decode_alternatives(from.top(), "TokenEvent.top", fault);
  if (from.has_logits()) to.logits = decode(from.logits());
  if (from.has_finish()) to.finish = decode(from.finish(), fault);
  to.stop_string = from.stop_string();
  return to;
}

void encode(const PromptScoreRun& from, v1::PromptScoreRun* to) {
  to->set_first(from.first);
  for (const auto& score : from.scores) {
    auto* entry = to->add_scores();
    entry->set_token(score.token.token);
    entry->set_logprob(score.token.logprob);
    entry->set_rank(score.rank);
    encode_alternatives(score.top, entry->mutable_top());
  }
}

PromptScoreRun decode(const v1::PromptScoreRun& from, Fault& fault) {
  PromptScoreRun to;
  to.first = from.first();
  to.scores.reserve(from.scores_size());
  for (const auto& entry : from.scores()) {
    to.scores.push_back({.token = {.token = fault.token(entry.token(), "PromptScore.token"),
                                   .logprob = fault.finite(entry.logprob(), "PromptScore")},
                         .rank = entry.rank(),
                         .top = decode_alternatives(entry.top(), "PromptScore.top", fault)});
  }
  return to;
}

}  // namespace baton::rpc
