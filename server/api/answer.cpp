#include "server/api/answer.h"

#include "server/api/json_text.h"

namespace baton::server::api {

namespace {

std::string head_of(const Prepared& prepared, const ModelFacts& model, const std::string& id,
                    int64_t created) {
  const GenerateRequest& request = prepared.request;
  std::string head = "{\"id\":";
  append_json_string(head, id);
  head += ",\"object\":";
  if (!request.chat) {
    head += "\"text_completion\"";
  } else {
    head += request.stream ? "\"chat.completion.chunk\"" : "\"chat.completion\"";
  }
  head += ",\"created\":" + std::to_string(created) + ",\"model\":";
  append_json_string(head, model.name);
  if (!model.fingerprint.empty()) {
    head += ",\"system_fingerprint\":";
    append_json_string(head, model.fingerprint);
  }
  return head;
}

// Choices of a text completion that echo their prompt begin with it.
std::vector<ChoiceParts> fresh_choices(const AnswerOptions& options) {
  std::vector<ChoiceParts> choices(size_t{options.choices} * options.prompts);
  for (size_t i = 0; i < choices.size(); ++i) {
    if (options.echoes.empty()) continue;
    choices[i].text = options.echoes[i / options.choices];
    choices[i].offset = characters(choices[i].text);
  }
  return choices;
}

}  // namespace

AnswerShape AnswerShape::of(const Prepared& prepared, const ModelFacts& model, std::string id,
                            int64_t created) {
  AnswerShape shape;
  shape.head = head_of(prepared, model, id, created);
  shape.id = std::move(id);
  shape.created = created;
  shape.include_usage = prepared.request.include_usage;
  return shape;
}

WholeAnswer::WholeAnswer(AnswerShape shape, const Prepared& prepared, const TextModel& model)
    : shape_(std::move(shape)),
      options_(AnswerOptions::of(prepared)),
      model_(model),
      choices_(fresh_choices(options_)) {}

void WholeAnswer::tokens(size_t prompt, std::span<const TokenEvent> events) {
  for (const auto& event : events) {
    choices_.at(prompt * options_.choices + event.choice).add(event, options_, model_);
  }
}

void WholeAnswer::append_choice(std::string& out, size_t index) const {
  const ChoiceParts& parts = choices_[index];
  out += "{\"index\":" + std::to_string(index);
  out += options_.chat ? ",\"message\":{\"role\":\"assistant\",\"content\":" : ",\"text\":";
  append_json_string(out, parts.text);
  if (options_.chat) out += ",\"refusal\":null}";
  append_logprobs(out, parts, options_);
  append_finish(out, parts, options_);
  append_extras(out, parts, options_);
  if (options_.token_ids && !options_.chat) {
    out += ",\"prompt_token_ids\":" + ids_json(options_.prompt_ids[index / options_.choices]);
  }
  out += '}';
}

std::string WholeAnswer::finish(const Totals& totals, std::string_view explain) const {
  std::string out = shape_.head;
  out += ",\"choices\":[";
  for (size_t i = 0; i < choices_.size(); ++i) {
    if (i > 0) out += ',';
    append_choice(out, i);
  }
  out += "],\"usage\":";
  out += usage_json(totals.prompt_tokens, totals.completion_tokens, totals.cached_tokens);
  if (options_.token_ids && options_.chat) {
    out += ",\"prompt_token_ids\":" + ids_json(options_.prompt_ids.front());
  }
  if (!explain.empty()) {
    out += ",\"explain\":";
    out += explain;
  }
  out += '}';
  return out;
}

StreamAnswer::StreamAnswer(AnswerShape shape, const Prepared& prepared, const TextModel& model)
    : shape_(std::move(shape)),
      options_(AnswerOptions::of(prepared)),
      model_(model),
      choices_(fresh_choices(options_)) {}

void StreamAnswer::tokens(size_t prompt, std::span<const TokenEvent> events, std::string& out) {
  for (const auto& event : events) {
    const auto index = static_cast<uint32_t>(prompt * options_.choices + event.choice);
    check(index < choices_.size(), "a token belongs to a choice that was asked for");
    if (options_.chat) {
      chat_event(index, event, out);
    } else {
      text_event(index, event, out);
    }
  }
}

// One object of the stream with one choice; `body`: the choice's members behind "index".
void StreamAnswer::choice_event(uint32_t index, std::string_view body, std::string& out) {
  ChoiceParts& parts = choices_[index];
  json_ = shape_.head;
  json_ += ",\"choices\":[{\"index\":";
  append_json_number(json_, uint64_t{index});
  json_ += body;
  json_ += "}]";
  if (!parts.begun && options_.token_ids) {
    json_ += ",\"prompt_token_ids\":" + ids_json(options_.prompt_ids[index / options_.choices]);
  }
  json_ += '}';
  parts.begun = true;
  append_event(out, json_);
}

// The role comes with the first token, never before: clients time the first chunk.
void StreamAnswer::chat_event(uint32_t index, const TokenEvent& event, std::string& out) {
  ChoiceParts& parts = choices_[index];
  if (!parts.begun) {
    choice_event(index,
                 ",\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"logprobs\":null,"
                 "\"finish_reason\":null",
                 out);
  }
  parts.add(event, options_, model_);
  if (!parts.text.empty() || options_.logprobs || options_.token_ids || options_.digests) {
    body_ = ",\"delta\":{\"content\":";
    append_json_string(body_, parts.text);
    body_ += '}';
    append_logprobs(body_, parts, options_);
    body_ += ",\"finish_reason\":null";
    append_extras(body_, parts, options_);
    choice_event(index, body_, out);
  }
  if (event.finish) {
    body_ = ",\"delta\":{},\"logprobs\":null";
    append_finish(body_, parts, options_);
    choice_event(index, body_, out);
  }
  parts.clear();
}

void StreamAnswer::text_event(uint32_t index, const TokenEvent& event, std::string& out) {
  ChoiceParts& parts = choices_[index];
  parts.add(event, options_, model_);
  const bool silent = parts.text.empty() && !event.finish && !options_.logprobs &&
                      !options_.token_ids && !options_.digests;
  if (!silent) {
    body_ = ",\"text\":";
    append_json_string(body_, parts.text);
    append_logprobs(body_, parts, options_);
    append_finish(body_, parts, options_);
    append_extras(body_, parts, options_);
    choice_event(index, body_, out);
  }
  parts.clear();
}

void StreamAnswer::finish(const Totals& totals, std::string_view explain, std::string& out) {
  if (shape_.include_usage || !explain.empty()) {
    json_ = shape_.head;
    json_ += ",\"choices\":[]";
    if (shape_.include_usage) {
      json_ += ",\"usage\":";
      json_ += usage_json(totals.prompt_tokens, totals.completion_tokens, totals.cached_tokens);
    }
    if (!explain.empty()) {
      json_ += ",\"explain\":";
      json_ += explain;
    }
    json_ += '}';
    append_event(out, json_);
  }
  out += kDoneEvent;
}

void StreamAnswer::fail(const ApiError& error, std::string& out) {
  append_event(out, error_json(error));
  out += kDoneEvent;
}

}  // namespace baton::server::api
