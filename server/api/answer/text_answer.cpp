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
  append_explain(out, explain);
  out += '}';
}

void WholeText::fail(const ApiError& error, std::string& out) { out += error_json(error); }

// ---- stream -------------------------------------------------------------------------------------

TextStream::TextStream(const Prepared& prepared, const TextModel& model, const AnswerName& name)
    : ChunkStream(prepared, model, name, "cmpl-", "text_completion") {}

bool TextStream::open(size_t index) {
  ChoiceParts& parts = choices_[index].parts;
  if (parts.begun) return false;
  begin_with_echo(parts, index / options_.choices, options_, prompts_);
  return true;
}

void TextStream::write(size_t index, bool first, std::string& out) const {
  const ChoiceParts& parts = choices_[index].parts;
  begin_event(index, out);
  out += ",\"text\":";
  append_json_string(out, parts.text);
  append_logprobs(out, parts, options_);
  append_finish(out, parts, options_);
  append_extras(out, parts, options_);
  end_event(index, first, out);
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

void TextStream::scored(size_t index, std::string& out) {
  const bool first = open(index);
  choices_[index].parts.finish = finish_reason(choices_[index]);
  write(index, first, out);
}

}  // namespace baton::server::api
