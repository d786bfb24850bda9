// FakeModel: a TextModel of a few lines: a token is a byte; 256 begins a prompt, 257 ends an
// answer. make_special() gives it the tokens of thinking, calls and filling in, from 258 on.
#pragma once

#include <array>
#include <string>

#include "server/api/prompt/messages.h"
#include "server/api/text_model.h"

namespace baton::testing {

class FakeModel : public server::api::TextModel {
 public:
  using Json = server::api::Json;
  static constexpr TokenId kBegin = 256, kEnd = 257;
  static constexpr TokenId kThink = 258, kThought = 259;
  static constexpr TokenId kCalls = 260, kCallsEnd = 261, kCall = 262, kCallEnd = 263, kSep = 264;
  static constexpr TokenId kFim = 265, kHole = 266, kFimEnd = 267;

  FakeModel() {
    facts_.name = "fake";
    facts_.root = "fake";
    facts_.created = 7;
    facts_.vocab_size = 258;
    facts_.max_model_len = 4096;
    for (int i = 0; i < 256; ++i) bytes_[i] = static_cast<char>(i);
  }

  FakeModel& make_special() {
    facts_.vocab_size = 268;
    facts_.special = {kThink,   kThought, kCalls, kCallsEnd, kCall,
                      kCallEnd, kSep,     kFim,   kHole,     kFimEnd};
    return *this;
  }
  server::api::ModelFacts& edit() { return facts_; }
  const server::api::ModelFacts& facts() const override { return facts_; }

  Result<std::vector<TokenId>> encode(std::string_view text, bool add_special) const override {
    std::vector<TokenId> ids;
    if (add_special) ids.push_back(kBegin);
    for (const char c : text) ids.push_back(static_cast<unsigned char>(c));
    return ids;
  }
  Result<std::vector<TokenId>> encode(const text::RenderedPrompt& prompt) const override {
    std::vector<TokenId> ids;
    for (const auto& segment : prompt.segments) {
      std::string_view rest = segment.text;
      while (!rest.empty()) {
        const auto special = segment.trusted ? special_at(rest) : std::nullopt;
        ids.push_back(special ? *special : static_cast<unsigned char>(rest.front()));
        rest.remove_prefix(special ? token_bytes(*special).size() : 1);
      }
    }
    return ids;
  }
  // "role: content\n" for each message; tools in front; thinking opened if it is switched on.
  Result<std::vector<TokenId>> encode_chat(const text::ChatQuestion& question) const override {
    std::string text;
    if (!question.tools.is_null()) {
      text = "tools " + question.tools[0]["function"]["name"].get<std::string>() + '\n';
    }
    for (const auto& message : question.messages) {
      text += message["role"].get<std::string>() + ": " + server::api::text_of(message["content"]) +
              '\n';
    }
    if (question.go_on) text.pop_back();
    const bool opens = !question.go_on && question.kwargs.value("add_generation_prompt", true);
    if (opens) text += "assistant: ";
    auto ids = encode(text, true);
    if (opens && question.kwargs.value("thinking", false) && facts_.special.can_think()) {
      ids->push_back(kThink);
    }
    return ids;
  }
  std::string decode(std::span<const TokenId> ids, bool) const override {
    std::string text;
    for (const TokenId id : ids) {
      if (id < 256 || id > kEnd) text += token_bytes(id);
    }
    return text;
  }
  std::string_view token_bytes(TokenId id) const override {
    static constexpr std::array<std::string_view, 12> kNames{"",
                                                             "",
                                                             "<think>",
                                                             "</think>",
                                                             "<｜tool▁calls▁begin｜>",
                                                             "<｜tool▁calls▁end｜>",
                                                             "<｜tool▁call▁begin｜>",
                                                             "<｜tool▁call▁end｜>",
                                                             "<｜tool▁sep｜>",
                                                             "<｜fim▁begin｜>",
                                                             "<｜fim▁hole｜>",
                                                             "<｜fim▁end｜>"};
    if (id < 256) return {&bytes_[id], 1};
    return id - 256 < kNames.size() ? kNames[id - 256] : std::string_view();
  }

 private:
  std::optional<TokenId> special_at(std::string_view text) const {
    for (TokenId id = kThink; id <= kFimEnd; ++id) {
      if (text.starts_with(token_bytes(id))) return id;
    }
    return std::nullopt;
  }

  server::api::ModelFacts facts_;
  std::array<char, 256> bytes_;
};

// The events of an answer: one token a byte, the last with `finish`.
inline std::vector<TokenEvent> events_of(std::string_view text, ChoiceIndex choice = 0,
                                         FinishReason finish = FinishReason::stop) {
  std::vector<TokenEvent> events;
  for (size_t i = 0; i < text.size(); ++i) {
    TokenEvent event;
    event.choice = choice;
    event.index = static_cast<uint32_t>(i);
    event.token = static_cast<unsigned char>(text[i]);
    event.text = text.substr(i, 1);
    event.logprob = -0.5f;
    events.push_back(std::move(event));
  }
  if (!events.empty()) events.back().finish = finish;
  return events;
}

// The same of a text in which special tokens are spelled: these are markers, without text.
inline std::vector<TokenEvent> special_events_of(const FakeModel& model, std::string_view text,
                                                 FinishReason finish = FinishReason::stop) {
  const auto ids = model.encode(text::RenderedPrompt{{{std::string(text), true}}});
  std::vector<TokenEvent> events;
  for (const TokenId id : *ids) {
    TokenEvent event;
    event.index = static_cast<uint32_t>(events.size());
    event.token = id;
    if (id < 256) event.text = model.token_bytes(id);
    event.logprob = -0.5f;
    events.push_back(std::move(event));
  }
  if (!events.empty()) events.back().finish = finish;
  return events;
}

}  // namespace baton::testing
