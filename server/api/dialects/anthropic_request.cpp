#include "server/api/dialects/anthropic_request.h"

#include "server/api/prompt/messages.h"
#include "server/api/prompt/tools.h"
#include "server/api/request/sampling_fields.h"

namespace baton::server::api {

namespace {

ApiResult<std::string> read_block(const Json& block, const std::string& where) {
  const bool fine = block.is_object() && block.value("type", Json()) == "text" &&
                    block.value("text", Json()).is_string();
  if (fine) return block["text"].get<std::string>();
  return bad_value(where, "\"{}\" must be a block of text: this model reads only text.", where);
}

// Blocks of text, joined by newlines; a string as it is.
ApiResult<std::string> read_text(const Json& content, const std::string& where) {
  if (content.is_string()) return content.get<std::string>();
  if (!content.is_array()) {
    return bad_value(where, "\"{}\" must be a string or a list of blocks.", where);
  }
  std::string text;
  for (size_t i = 0; i < content.size(); ++i) {
    const Json& block = content[i];
    BATON_TRY(part, read_block(block, fmt::format("{}[{}]", where, i)));
    if (i > 0) text += '\n';
    text += part;
  }
  return text;
}

// One turn becomes a message of a chat, and one for each result of a tool.
class Turn {
 public:
  Turn(std::string role, Json& messages) : role_(std::move(role)), messages_(messages) {}

  ApiResult<void> add(const Json& block, const std::string& where) {
    const Json type = block.is_object() ? block.value("type", Json()) : Json();
    if (type == "text") {
      BATON_TRY(text, read_block(block, where));
      if (!text_.empty()) text_ += '\n';
      text_ += text;
      return {};
    }
    if (type == "tool_result" && role_ == "user") return add_result(block, where);
    if (type == "tool_use" && role_ == "assistant") return add_call(block, where);
    if (type == "thinking" && role_ == "assistant") {
      const Json thinking = block.value("thinking", Json());
      if (!thinking.is_string()) {
        return bad_value(where + ".thinking", "\"{}.thinking\" must be a string.", where);
      }
      thinking_ += thinking.get_ref<const std::string&>();
      return {};
    }
    if (type == "redacted_thinking" && role_ == "assistant") return {};
    return bad_value(where + ".type",
                     "\"{}.type\" is not one that this model reads in a turn of "
                     "the {}.",
                     where, role_);
  }

  void finish() {
    if (role_ == "user" && text_.empty() && results_ > 0) return;
    Json message = {{"role", role_}, {"content", text_}};
    if (!calls_.empty()) message["tool_calls"] = std::move(calls_);
    if (!thinking_.empty()) message["reasoning_content"] = thinking_;
    messages_.push_back(std::move(message));
  }

 private:
  ApiResult<void> add_result(const Json& block, const std::string& where) {
    const Json content = block.value("content", Json(""));
    BATON_TRY(text, read_text(content.is_null() ? Json("") : content, where + ".content"));
    messages_.push_back({{"role", "tool"},
                         {"tool_call_id", block.value("tool_use_id", Json(""))},
                         {"content", std::move(text)}});
    ++results_;
    return {};
  }
  ApiResult<void> add_call(const Json& block, const std::string& where) {
    const Json name = block.value("name", Json());
    Json input = block.value("input", Json());
    if (input.is_null()) input = Json::object();
    if (!name.is_string() || !input.is_object()) {
      return bad_value(where, "\"{}\" must have a name and an input, an object.", where);
    }
    calls_.push_back({{"id", block.value("id", Json(""))},
                      {"type", "function"},
                      {"function", {{"name", name}, {"arguments", input.dump()}}}});
    return {};
  }

  std::string role_, text_, thinking_;
  Json calls_ = Json::array();
  Json& messages_;
  size_t results_ = 0;
};

ApiResult<void> read_turn(const Json& turn, const std::string& where, Json& messages) {
  const Json role = turn.is_object() ? turn.value("role", Json()) : Json();
  if (role != "user" && role != "assistant" && role != "system") {
    return bad_value(where + ".role", "\"{}.role\" must be user or assistant.", where);
  }
  const Json content = turn.value("content", Json());
  Turn read(role.get<std::string>(), messages);
  if (content.is_string()) {
    messages.push_back({{"role", role}, {"content", content}});
    return {};
  }
  if (!content.is_array()) {
    return bad_value(where + ".content", "\"{}.content\" must be a string or a list of blocks.",
                     where);
  }
  for (size_t i = 0; i < content.size(); ++i) {
    BATON_CHECKED(read.add(content[i], fmt::format("{}.content[{}]", where, i)));
  }
  read.finish();
  return {};
}

void read_conversation(Fields& fields, const ApiLimits& limits, GenerateRequest& request) {
  Json messages = Json::array();
  if (const Json* system = fields.get("system")) {
    auto text = read_text(*system, "system");
    if (!text) return fields.fail(text.error());
    if (!text->empty()) messages.push_back({{"role", "system"}, {"content", *std::move(text)}});
  }
  const Json* turns = fields.get("messages");
  if (!turns || !turns->is_array() || turns->empty() || turns->size() > limits.messages_max) {
    return fields.fail(bad_value("messages", "\"messages\" must be a list of 1 to {} messages.",
                                 limits.messages_max));
  }
  for (size_t i = 0; i < turns->size(); ++i) {
    if (auto read = read_turn((*turns)[i], fmt::format("messages[{}]", i), messages); !read) {
      return fields.fail(read.error());
    }
  }
  // A last turn of the assistant's is one to go on with.
  request.go_on = turns->back()["role"] == "assistant";
  ApiLimits wider = limits;
  wider.messages_max = std::numeric_limits<uint32_t>::max();  // results of tools are messages too
  auto read = read_messages(messages, wider);
  if (!read) return fields.fail(read.error());
  request.messages = *std::move(read);
}

void read_anthropic_choice(Fields& fields, GenerateRequest& request) {
  const Json* choice = fields.get("tool_choice");
  if (!choice) return;
  if (!choice->is_object()) {
    return fields.fail(bad_value("tool_choice", "\"tool_choice\" must be an object."));
  }
  const Json type = choice->value("type", Json());
  if (type == "none") {
    request.tool_choice = {};
  } else if (type == "any") {
    request.tool_choice = {ToolChoice::Kind::required, {}};
  } else if (type == "tool" && choice->value("name", Json()).is_string()) {
    request.tool_choice = {ToolChoice::Kind::named, (*choice)["name"].get<std::string>()};
  } else if (type != "auto") {
    return fields.fail(bad_value("tool_choice.type",
                                 "\"tool_choice.type\" must be auto, any, none or tool (with a "
                                 "name)."));
  }
  Fields inner(*choice, "tool_choice.");
  inner.ignore({"type", "name"});
  bool alone = false;
  inner.boolean("disable_parallel_tool_use", alone);
  request.parallel_tool_calls = !alone;
  fields.add(inner);
}

void read_anthropic_tools(Fields& fields, const ApiLimits& limits, GenerateRequest& request) {
  const Json* tools = fields.get("tools");
  if (tools && !(tools->is_array() && tools->empty())) {
    if (!tools->is_array()) return fields.fail(bad_value("tools", "\"tools\" must be a list."));
    request.tools = Json::array();
    for (size_t i = 0; i < tools->size(); ++i) {
      const Json& tool = (*tools)[i];
      const std::string at = fmt::format("tools[{}]", i);
      const Json type = tool.is_object() ? tool.value("type", Json()) : Json(false);
      if (!type.is_null() && type != "custom") {
        return fields.fail(unsupported_parameter(at + ".type", "only \"custom\" tools are."));
      }
      Json function = {{"name", tool.value("name", Json())}};
      if (tool.contains("description")) function["description"] = tool["description"];
      function["parameters"] = tool.value("input_schema", Json::object());
      request.tools.push_back({{"type", "function"}, {"function", std::move(function)}});
    }
    if (auto checked = check_tools(request.tools, "tools", limits); !checked) {
      return fields.fail(checked.error());
    }
    request.tool_choice.kind = ToolChoice::Kind::automatic;
  }
  read_anthropic_choice(fields, request);
  if (auto checked = check_choice(request); !checked) fields.fail(checked.error());
}

}  // namespace

ApiResult<GenerateRequest> parse_anthropic(const Json& body, const ModelFacts& model,
                                           const ApiLimits& limits) {
  GenerateRequest request;
  request.dialect = Dialect::messages;
  // Names that mean another thing here than in a chat are read below.
  Fields fields(body);
  read_fields_of_chat(fields, {"stream_options", "stop", "n", "echo", "service_tier"}, model,
                      limits, request);
  fields.ignore({"service_tier"});
  for (const char* name : {"mcp_servers", "container"}) {
    fields.refuse(name, "this server does not have it.");
  }
  read_stop_strings(fields, "stop_sequences", limits, request.stop);
  if (const Json* thinking = fields.get("thinking"); thinking && thinking->is_object()) {
    Fields inner(*thinking, "thinking.");
    inner.ignore({"type", "display"});
    inner.integer("budget_tokens", request.reasoning_max, 0, model.max_model_len);
    fields.add(inner);
  }
  read_conversation(fields, limits, request);
  read_anthropic_tools(fields, limits, request);
  request.template_kwargs["add_generation_prompt"] = !request.go_on;
  if (request.max_tokens.value_or(0) == 0) {
    fields.fail(bad_value("max_tokens", "\"max_tokens\" must be there and at least 1."));
  }
  BATON_CHECKED(finish_fields(fields, limits, request));
  return request;
}

}  // namespace baton::server::api
