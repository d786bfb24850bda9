#include "server/api/prompt/messages.h"

#include "server/api/request/fields.h"

namespace baton::server::api {

namespace {

constexpr size_t kCallsMax = 128;

ApiResult<Json> as_value(Json json) {  // a Json converts to too much by itself
  return ApiResult<Json>(boost::system::in_place_value, std::move(json));
}

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
    if (part.is_string()) continue;
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

// {"name", "arguments"}: the arguments are text, though some clients send the object.
ApiResult<Json> read_function(const Json& function, const std::string& where) {
  if (!function.is_object()) return bad_value(where, "\"{}\" must be an object.", where);
  const Json name = function.value("name", Json());
  if (!name.is_string() || name.get_ref<const std::string&>().empty()) {
    return bad_value(where + ".name", "\"{}.name\" must be a string, not empty.", where);
  }
  Json arguments = function.value("arguments", Json());
  if (arguments.is_object()) arguments = arguments.dump();
  if (arguments.is_null()) arguments = "";
  if (!arguments.is_string()) {
    return bad_value(where + ".arguments", "\"{}.arguments\" must be a string.", where);
  }
  return as_value({{"name", name}, {"arguments", std::move(arguments)}});
}

ApiResult<Json> read_calls(const Json& calls, const std::string& where) {
  if (!calls.is_array() || calls.size() > kCallsMax) {
    return bad_value(where, "\"{}\" must be a list of at most {} calls.", where, kCallsMax);
  }
  Json out = Json::array();
  for (size_t i = 0; i < calls.size(); ++i) {
    const std::string at = fmt::format("{}[{}]", where, i);
    const Json& call = calls[i];
    if (!call.is_object()) return bad_value(at, "\"{}\" must be an object.", at);
    const Json type = call.value("type", Json());
    if (!type.is_null() && type != "function") {
      return bad_value(at + ".type", "\"{}.type\" must be \"function\".", at);
    }
    BATON_TRY(function, read_function(call.value("function", Json()), at + ".function"));
    out.push_back({{"id", call.value("id", Json(""))},
                   {"type", "function"},
                   {"function", std::move(function)}});
  }
  return as_value(std::move(out));
}

ApiResult<void> read_assistant(const Json& message, const std::string& where, Json& out) {
  const Json calls = message.value("tool_calls", Json());
  const Json legacy = message.value("function_call", Json());
  if (!calls.is_null() && !(calls.is_array() && calls.empty())) {
    BATON_TRY(read, read_calls(calls, where + ".tool_calls"));
    out["tool_calls"] = std::move(read);
  } else if (!legacy.is_null()) {
    BATON_TRY(function, read_function(legacy, where + ".function_call"));
    out["tool_calls"] =
        Json::array({{{"id", ""}, {"type", "function"}, {"function", std::move(function)}}});
  }
  for (const char* name : {"reasoning_content", "reasoning"}) {
    const Json reasoning = message.value(name, Json());
    if (reasoning.is_null()) continue;
    if (!reasoning.is_string()) {
      return bad_value(fmt::format("{}.{}", where, name), "\"{}.{}\" must be a string.", where,
                       name);
    }
    out["reasoning_content"] = reasoning;
    break;
  }
  if (const Json prefix = message.value("prefix", Json()); prefix == true) out["prefix"] = true;
  return {};
}

ApiResult<Json> read_message(const Json& message, const std::string& where) {
  if (!message.is_object()) return bad_value(where, "\"{}\" must be an object.", where);
  const auto role = message.find("role");
  if (role == message.end() || !role->is_string()) {
    return bad_value(where + ".role", "\"{}.role\" must be a string.", where);
  }
  std::string name = role->get<std::string>();
  if (name == "developer") name = "system";
  if (name == "function") name = "tool";
  if (name != "system" && name != "user" && name != "assistant" && name != "tool") {
    return bad_value(where + ".role",
                     "\"{}.role\" must be system, developer, user, assistant or tool.", where);
  }
  const bool assistant = name == "assistant";
  const Json content = message.value("content", Json());
  if (auto checked = check_content(content, where + ".content", assistant || name == "tool");
      !checked) {
    return checked.error();
  }
  Json out = {{"role", name}, {"content", content}};
  if (content.is_null() && !assistant) out["content"] = "";
  for (const char* kept : {"name", "tool_call_id"}) {
    const auto found = message.find(kept);
    if (found != message.end() && found->is_string()) out[kept] = *found;
  }
  if (assistant) {
    if (auto read = read_assistant(message, where, out); !read) return read.error();
  } else if (!message.value("tool_calls", Json()).empty()) {
    return bad_value(where + ".tool_calls",
                     "\"{}.tool_calls\" must be in a message of the assistant.", where);
  }
  return as_value(std::move(out));
}

}  // namespace

ApiResult<Json> read_messages(const Json& messages, const ApiLimits& limits) {
  if (!messages.is_array() || messages.empty()) {
    return bad_value("messages", "\"messages\" must be a list of messages, not empty.");
  }
  if (messages.size() > limits.messages_max) {
    return bad_value("messages", "\"messages\" has more than {} messages.", limits.messages_max);
  }
  Json out = Json::array();
  for (size_t i = 0; i < messages.size(); ++i) {
    BATON_TRY(message, read_message(messages[i], fmt::format("messages[{}]", i)));
    out.push_back(std::move(message));
  }
  return as_value(std::move(out));
}

std::string text_of(const Json& content) {
  if (content.is_string()) return content.get<std::string>();
  std::string text;
  for (size_t i = 0; content.is_array() && i < content.size(); ++i) {
    if (i > 0) text += '\n';
    const Json& part = content[i];
    text += part.is_string() ? part.get_ref<const std::string&>()
                             : part["text"].get_ref<const std::string&>();
  }
  return text;
}

}  // namespace baton::server::api
