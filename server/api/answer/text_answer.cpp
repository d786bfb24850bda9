#include "server/api/answer/text_answer.h"

#include "server/api/json_text.h"

namespace baton::server::api {

namespace {

// A choice that echoes its prompt begins with it, and with its log-probabilities.
void begin_with_echo(ChoiceParts& parts, size_t prompt, const AnswerOptions& options,
                     const std::vector<PromptParts>& prompts) {
  parts.begun = true;
  if (options.echoes.empty()) return;
  parts.text = options.echoes[prompt];
  if (options.echo_logprobs) {
    parts.text_logprobs = prompts[prompt].echoed;
  } else {
    parts.text_logprobs.offset = characters(parts.text);
  }
}

}  // namespace

// ---- whole --------------------------------------------------------------------------------------

void WholeText::open(size_t index) {
  ChoiceParts& parts = choices_[index].parts;
  if (!parts.begun) begin_with_echo(parts, index / options_.choices, options_, prompts_);
}

void WholeText::tokens(size_t prompt, std::span<const TokenEvent> events, std::string&) {
  for (const auto& event : events) {
    const size_t index = index_of(prompt, event);
    open(index);
    read(index, event);
  }
}

void WholeText::finish(uint64_t cached_tokens, std::string_view explain, std::string& out) {
  cached_tokens_ = cached_tokens;
  out += head("cmpl-", "text_completion");
  out += ",\"choices\":[";
  for (size_t i = 0; i < choices_.size(); ++i) {
    open(i);
    ChoiceParts& parts = choices_[i].parts;
    parts.finish = finish_reason(choices_[i]);
    out += i > 0 ? ",{\"index\":" : "{\"index\":";
    append_json_number(out, uint64_t{i});
    out += ",\"text\":";
    append_json_string(out, parts.text);
    append_logprobs(out, parts, options_);
    append_finish(out, parts, options_);
    append_extras(out, parts, options_);
    const size_t prompt = i / options_.choices;
    if (options_.token_ids) out += ",\"prompt_token_ids\":" + ids_json(options_.prompt_ids[prompt]);
    if (options_.prompt_logprobs) out += ",\"prompt_logprobs\":[" + prompts_[prompt].scores + ']';
    out += '}';
  }
  out += "],\"usage\":" + usage_json(totals());
  if (!explain.empty()) {
    out += ",\"explain\":";
    out += explain;
  }
  out += '}';
}

void WholeText::fail(const ApiError& error, std::string& out) { out += error_json(error); }

// ---- stream -------------------------------------------------------------------------------------

TextStream::TextStream(const Prepared& prepared, const TextModel& model, const AnswerName& name)
    : AnswerBase(prepared, model, name), head_(head("cmpl-", "text_completion")) {}

bool TextStream::open(size_t index) {
  ChoiceParts& parts = choices_[index].parts;
  if (parts.begun) return false;
  begin_with_echo(parts, index / options_.choices, options_, prompts_);
  return true;
}

void TextStream::write(size_t index, bool first, std::string& out) {
  const ChoiceParts& parts = choices_[index].parts;
  json_ = head_;
  json_ += ",\"choices\":[{\"index\":";
  append_json_number(json_, uint64_t{index});
  json_ += ",\"text\":";
  append_json_string(json_, parts.text);
  append_logprobs(json_, parts, options_);
  append_finish(json_, parts, options_);
  append_extras(json_, parts, options_);
  json_ += "}]";
  if (first && options_.token_ids) {
    json_ += ",\"prompt_token_ids\":" + ids_json(options_.prompt_ids[index / options_.choices]);
  }
  if (options_.continuous_usage) json_ += ",\"usage\":" + usage_json(totals());
  json_ += '}';
  append_event(out, json_);
}

void TextStream::tokens(size_t prompt, std::span<const TokenEvent> events, std::string& out) {
  for (const auto& event : events) {
    const size_t index = index_of(prompt, event);
    const bool first = open(index);
    const ChoiceParts& parts = read(index, event).parts;
    const bool silent = parts.text.empty() && !event.finish && !options_.logprobs &&
                        !options_.token_ids && !options_.digests;
    if (!silent) write(index, first, out);
    choices_[index].parts.clear();
  }
}

void TextStream::finish(uint64_t cached_tokens, std::string_view explain, std::string& out) {
  cached_tokens_ = cached_tokens;
  for (size_t i = 0; options_.scores_only && i < choices_.size(); ++i) {
    const bool first = open(i);
    choices_[i].parts.finish = finish_reason(choices_[i]);
    write(i, first, out);
  }
  if (options_.include_usage || !explain.empty()) {
    json_ = head_;
    json_ += ",\"choices\":[]";
    if (options_.include_usage) json_ += ",\"usage\":" + usage_json(totals());
    if (!explain.empty()) {
      json_ += ",\"explain\":";
      json_ += explain;
    }
    json_ += '}';
    append_event(out, json_);
  }
  out += kDoneEvent;
}

void TextStream::fail(const ApiError& error, std::string& out) {
  append_event(out, error_json(error));
  out += kDoneEvent;
}

}  // namespace baton::server::api
