// FakeModel: a TextModel of a few lines: a token is a byte; 256 begins a prompt, 257 ends an
// answer.
#pragma once

#include <array>
#include <nlohmann/json.hpp>
#include <string>

#include "server/api/text_model.h"

namespace baton::testing {

class FakeModel : public server::api::TextModel {
 public:
  static constexpr TokenId kBegin = 256;
  static constexpr TokenId kEnd = 257;

  FakeModel() {
    facts_.name = "fake";
    facts_.root = "fake";
    facts_.created = 7;
    facts_.vocab_size = 258;
    facts_.max_model_len = 4096;
    for (int i = 0; i < 256; ++i) bytes_[i] = static_cast<char>(i);
  }

  server::api::ModelFacts& edit() { return facts_; }
  const server::api::ModelFacts& facts() const override { return facts_; }

  Result<std::vector<TokenId>> encode(std::string_view text, bool add_special) const override {
    std::vector<TokenId> ids;
    if (add_special) ids.push_back(kBegin);
    for (const char c : text) ids.push_back(static_cast<unsigned char>(c));
    return ids;
  }
  // "role: content\n" for each message.
  Result<std::vector<TokenId>> encode_chat(const nlohmann::json& messages,
                                           const nlohmann::json& kwargs) const override {
    std::string text;
    for (const auto& message : messages) {
      text += message["role"].get<std::string>() + ": ";
      if (message["content"].is_string()) text += message["content"].get<std::string>();
      text += '\n';
    }
    if (kwargs.value("add_generation_prompt", true)) text += "assistant: ";
    return encode(text, true);
  }
  std::string decode(std::span<const TokenId> ids, bool) const override {
    std::string text;
    for (const TokenId id : ids) {
      if (id < 256) text += static_cast<char>(id);
    }
    return text;
  }
  std::string_view token_bytes(TokenId id) const override {
    return id < 256 ? std::string_view(&bytes_[id], 1) : std::string_view();
  }

 private:
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

}  // namespace baton::testing
