#include "server/chat/conversation.h"

namespace baton::server::chat {

using Json = nlohmann::json;

namespace {

std::string sentence_of(const Json& json) {
  if (!json.is_object()) return {};
  const auto error = json.find("error");
  if (error == json.end() || !error->is_object()) return {};
  const auto message = error->find("message");
  if (message == error->end() || !message->is_string()) return "The server gave no reason.";
  return message->get<std::string>();
}

// The text of choices[0].delta.content, where all of that is there.
std::string delta_of(const Json& json) {
  static const Json::json_pointer kContent("/choices/0/delta/content");
  if (!json.contains(kContent)) return {};
  const Json& content = json.at(kContent);
  return content.is_string() ? content.get<std::string>() : std::string();
}

}  // namespace

Conversation::Conversation(ConversationOptions options) : options_(std::move(options)) { reset(); }

void Conversation::reset() {
  messages_ = Json::array();
  if (!options_.system.empty()) {
    messages_.push_back({{"role", "system"}, {"content", options_.system}});
  }
}

void Conversation::ask(std::string question) {
  messages_.push_back({{"role", "user"}, {"content", std::move(question)}});
}

void Conversation::take_back() { messages_.erase(messages_.size() - 1); }

void Conversation::answered(std::string text) {
  if (text.empty()) return take_back();
  messages_.push_back({{"role", "assistant"}, {"content", std::move(text)}});
}

std::string Conversation::body() const {
  Json body = {
      {"messages", messages_}, {"stream", true}, {"stream_options", {{"include_usage", true}}}};
  if (!options_.model.empty()) body["model"] = options_.model;
  if (options_.temperature) body["temperature"] = *options_.temperature;
  if (options_.max_tokens) body["max_tokens"] = *options_.max_tokens;
  return body.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Heard Conversation::hear(std::string_view data) {
  Heard heard;
  if (data == "[DONE]") {
    heard.done = true;
    return heard;
  }
  const Json json = Json::parse(data, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) {
    heard.error = "The server sent an event that is no JSON.";
    return heard;
  }
  heard.error = sentence_of(json);
  heard.text = delta_of(json);
  static const Json::json_pointer kTokens("/usage/completion_tokens");
  if (json.contains(kTokens) && json.at(kTokens).is_number_unsigned()) {
    heard.completion_tokens = json.at(kTokens).get<uint64_t>();
  }
  return heard;
}

std::string Conversation::error_sentence(std::string_view body) {
  const Json json = Json::parse(body, nullptr, /*allow_exceptions=*/false);
  const std::string sentence = json.is_discarded() ? std::string() : sentence_of(json);
  return sentence.empty() ? std::string(body.substr(0, 500)) : sentence;
}

}  // namespace baton::server::chat
