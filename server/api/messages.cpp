#include "server/api/fields.h"
#include "server/api/generate_request.h"

namespace baton::server::api {

using Json = nlohmann::json;

namespace {

// A string, or a list of text parts; null where the message may be without content.
ApiResult<void> check_content(const Json& content, const std::string& where, bool may_be_null) {
  if (content.is_string() || (content.is_null() && may_be_null)) return {};
  if (!content.is_array()) {
    return bad_value(where, "\"{}\" must be a string or a list of text parts, not {}.", where,
                     kind_of(content));
  }
  for (size_t i = 0; i < content.size(); ++i) {
    const Json& part = content[i];
    const std::string at = fmt::format("{}[{}]", where, i);
    if (!part.is_object()) return bad_value(at, "\"{}\" must be an object.", at);
    const auto type = part.find("type");
    if (type == part.end() || *type != "text") {
      return bad_value(at + ".type", "\"{}.type\" must be \"text\": this model reads only text.",
                       at);
    }
    const auto text = part.find("text");
    if (text == part.end() || !text->is_string()) {
      return bad_value(at + ".text", "\"{}.text\" must be a string.", at);
    }
  }
  return {};
}

ApiResult<void> check_message(const Json& message, const std::string& where) {
  if (!message.is_object()) return bad_value(where, "\"{}\" must be an object.", where);
  const auto role = message.find("role");
  if (role == message.end() || !role->is_string()) {
    return bad_value(where + ".role", "\"{}.role\" must be a string.", where);
  }
  const auto& name = role->get_ref<const std::string&>();
  if (name != "system" && name != "developer" && name != "user" && name != "assistant" &&
      name != "tool") {
    return bad_value(where + ".role",
                     "\"{}.role\" must be system, developer, user, assistant or tool.", where);
  }
  const auto content = message.find("content");
  const bool assistant = name == "assistant";
  if (auto checked = check_content(content == message.end() ? Json() : *content, where + ".content",
                                   assistant);
      !checked) {
    return checked.error();
  }
  if (message.value("prefix", Json()) == true) {
    return unsupported_parameter(where + ".prefix", "this server has no prefix completion.");
  }
  const auto calls = message.find("tool_calls");
  if (calls != message.end() && !calls->is_null() && !(assistant && calls->is_array())) {
    return bad_value(where + ".tool_calls",
                     "\"{}.tool_calls\" must be a list, in a message of the assistant.", where);
  }
  return {};
}

}  // namespace

ApiResult<void> check_messages(const Json& messages, const ApiLimits& limits) {
  if (!messages.is_array() || messages.empty()) {
    return bad_value("messages", "\"messages\" must be a list of messages, not empty.");
  }
  if (messages.size() > limits.messages_max) {
    return bad_value("messages", "\"messages\" has more than {} messages.", limits.messages_max);
  }
  for (size_t i = 0; i < messages.size(); ++i) {
    if (auto checked = check_message(messages[i], fmt::format("messages[{}]", i)); !checked) {
      return checked.error();
    }
  }
  return {};
}

}  // namespace baton::server::api
