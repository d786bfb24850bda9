#include "server/api/answer/answer.h"

#include "server/api/answer/chat_answer.h"
#include "server/api/answer/text_answer.h"
#include "server/api/dialects/anthropic_answer.h"
#include "server/api/dialects/responses_answer.h"
#include "server/api/json_text.h"

namespace baton::server::api {

std::string AnswerName::id(std::string_view prefix) const {
  if (!asked.empty()) return std::string(prefix) + asked;
  return fmt::format("{}{:016x}{:016x}", prefix, high, low);
}

std::string AnswerName::call_id(size_t choice, uint32_t call, std::string_view prefix) const {
  return fmt::format("{}{:016x}{:04x}{:04x}", prefix, low, choice & 0xFFFF, call & 0xFFFF);
}

std::unique_ptr<Answer> make_answer(const Prepared& prepared, const TextModel& model,
                                    const AnswerName& name) {
  const bool stream = prepared.request.stream;
  switch (prepared.request.dialect) {
    case Dialect::chat:
      if (stream) return std::make_unique<ChatStream>(prepared, model, name);
      return std::make_unique<WholeChat>(prepared, model, name);
    case Dialect::responses:
      if (stream) return std::make_unique<ResponsesStream>(prepared, model, name);
      return std::make_unique<WholeResponse>(prepared, model, name);
    case Dialect::messages:
      if (stream) return std::make_unique<AnthropicStream>(prepared, model, name);
      return std::make_unique<WholeAnthropic>(prepared, model, name);
    case Dialect::text:
      break;
  }
  if (stream) return std::make_unique<TextStream>(prepared, model, name);
  return std::make_unique<WholeText>(prepared, model, name);
}

std::string error_json(const ApiError& error, Dialect dialect) {
  return dialect == Dialect::messages ? anthropic_error_json(error) : error_json(error);
}

void ChoiceText::add(const OutputEvent& event) {
  switch (event.kind) {
    case OutputEvent::Kind::reasoning:
      reasoning += event.text;
      break;
    case OutputEvent::Kind::content:
      content += event.text;
      break;
    case OutputEvent::Kind::call:
      calls.push_back({event.text, {}});
      break;
    case OutputEvent::Kind::arguments:
      calls.back().arguments += event.text;
      break;
    case OutputEvent::Kind::call_end:
      break;
    case OutputEvent::Kind::call_broken:  // it was none
      calls.pop_back();
      content += event.text;
      break;
  }
}

AnswerBase::AnswerBase(const Prepared& prepared, const TextModel& model, const AnswerName& name)
    : options_(AnswerOptions::of(prepared)),
      model_(model),
      name_(name),
      prompts_(options_.prompts) {
  for (size_t p = 0; p < prompts_.size(); ++p) prompts_[p].begin(p, options_, model_);
  const size_t count = size_t{options_.choices} * options_.prompts;
  choices_.assign(count, Choice{OutputParser(options_.rules, model_), {}, {}, {}});
}

void AnswerBase::scores(size_t prompt, const PromptScoreRun& run) {
  prompts_.at(prompt).add(run, options_, model_);
}

size_t AnswerBase::index_of(size_t prompt, const TokenEvent& event) const {
  const size_t index = prompt * options_.choices + event.choice;
  check(index < choices_.size(), "a token belongs to a choice that was asked for");
  return index;
}

AnswerBase::Choice& AnswerBase::read(size_t index, const TokenEvent& event) {
  Choice& choice = choices_[index];
  ++completion_tokens_;
  choice.events.clear();
  choice.parser.push(event.token, event.text, event.finish.has_value(), choice.events);
  choice.parts.add(event, options_, model_);
  return choice;
}

Totals AnswerBase::totals() const {
  Totals totals{options_.prompt_tokens, completion_tokens_, cached_tokens_, 0};
  for (const Choice& choice : choices_) totals.reasoning_tokens += choice.parser.reasoning_tokens();
  return totals;
}

std::string AnswerBase::finish_reason(const Choice& choice) const {
  if (options_.scores_only) return "length";
  const bool called = choice.parts.finish == "stop" && choice.parser.called();
  return called ? "tool_calls" : choice.parts.finish;
}

std::string AnswerBase::head(std::string_view prefix, std::string_view object) const {
  const ModelFacts& model = model_.facts();
  std::string head =
      fmt::format("{{\"id\":\"{}\",\"object\":\"{}\",\"created\":{},\"model\":", name_.id(prefix),
                  object, name_.created);
  append_json_string(head, model.name);
  head += ",\"system_fingerprint\":";
  if (name_.fingerprint.empty()) {
    head += "null";
  } else {
    append_json_string(head, name_.fingerprint);
  }
  if (!options_.service_tier.empty()) {
    head += ",\"service_tier\":";
    append_json_string(head, options_.service_tier);
  }
  return head;
}

}  // namespace baton::server::api
