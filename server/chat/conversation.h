// Conversation: the history of a chat, the body of the next request, and what events add to it.
// Pure. Thread safety: one object, one thread.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace baton::server::chat {

struct ConversationOptions {
  std::string model;   // empty: the server's only one
  std::string system;  // empty: none
  std::optional<double> temperature;
  std::optional<uint32_t> max_tokens;
};

// What one event of the stream said.
struct Heard {
  std::string text;
  bool done = false;
  std::optional<uint64_t> completion_tokens;
  std::string error;  // the server's own sentence
};

class Conversation {
 public:
  explicit Conversation(ConversationOptions options);

  void ask(std::string question);
  void answered(std::string text);  // what has been heard of the answer, if anything
  void take_back();                 // the last question, if it could not be asked
  void reset();
  std::string body() const;  // of POST /v1/chat/completions

  static Heard hear(std::string_view data);
  // The sentence of an error answer, or the body itself if it has none.
  static std::string error_sentence(std::string_view body);

 private:
  ConversationOptions options_;
  nlohmann::json messages_ = nlohmann::json::array();
};

}  // namespace baton::server::chat
