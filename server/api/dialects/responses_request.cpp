#include "server/api/dialects/responses_request.h"

#include "server/api/prompt/messages.h"
#include "server/api/prompt/tools.h"
#include "server/api/request/sampling_fields.h"

namespace baton::server::api {

namespace {

ApiResult<Json> as_value(Json json) {  // a Json converts to too much by itself
  return ApiResult<Json>(boost::system::in_place_value, std::move(json));
}

Json message(std::string_view role, Json content) {
  return {{"role", role}, {"content", std::move(content)}};
}

// Text in any of the shapes that parts have here, as text parts of a chat.
ApiResult<Json> read_content(const Json& content, const std::string& where) {
  if (content.is_string() || content.is_null()) return as_value(content);
  if (!content.is_array()) {
    return bad_value(where, "\"{}\" must be a string or a list of parts.", where);
  }
  Json parts = Json::array();
  for (size_t i = 0; i < content.size(); ++i) {
    const std::string at = fmt::format("{}[{}]", where, i);
    if (!content[i].is_object()) return bad_value(at, "\"{}\" must be an object.", at);
    const Json type = content[i].value("type", Json());
    const Json text = content[i].value(type == "refusal" ? "refusal" : "text", Json());
    const bool known = type == "input_text" || type == "output_text" || type == "text" ||
                       type == "refusal" || type == "reasoning_text" || type == "summary_text";
    if (!known) {
      return bad_value(at + ".type", "\"{}.type\" must be a text: this model reads only text.", at);
    }
    if (!text.is_string()) return bad_value(at + ".text", "\"{}.text\" must be a string.", at);
    parts.push_back({{"type", "text"}, {"text", text}});
  }
  return as_value(std::move(parts));
}

// Items of the input, put together to messages: what the assistant thought, said and called is one.
class Conversation {
 public:
  explicit Conversation(const TenantItems* memory) : memory_(memory) {}

  ApiResult<void> add(const Json& item, const std::string& where) {
    if (!item.is_object()) return bad_value(where, "\"{}\" must be an object.", where);
    const Json type = item.value("type", Json());
    if (type.is_null() || type == "message") return add_message(item, where);
    if (type == "function_call") return add_call(item, where);
    if (type == "function_call_output") return add_output(item, where);
    if (type == "reasoning") return add_reasoning(item, where);
    if (type == "item_reference") return add_remembered(item, where);
    return bad_value(where + ".type",
                     "\"{}.type\" must be message, function_call, function_call_output, reasoning "
                     "or item_reference.",
                     where);
  }
  Json take() { return std::move(messages_); }
  Json& messages() { return messages_; }

 private:
  ApiResult<void> add_message(const Json& item, const std::string& where) {
    const Json role = item.value("role", Json());
    if (!role.is_string()) return bad_value(where + ".role", "\"{}.role\" is missing.", where);
    BATON_TRY(content, read_content(item.value("content", Json()), where + ".content"));
    const bool joins = role == "assistant" && in_turn_ && messages_.back()["content"].is_null();
    if (joins) {
      messages_.back()["content"] = std::move(content);
    } else {
      messages_.push_back(message(role.get<std::string>(), std::move(content)));
    }
    in_turn_ = role == "assistant";
    return {};
  }
  ApiResult<void> add_call(const Json& item, const std::string& where) {
    const Json name = item.value("name", Json());
    Json arguments = item.value("arguments", Json());
    if (arguments.is_null()) arguments = "";
    if (!name.is_string() || !arguments.is_string()) {
      return bad_value(where, "\"{}\" must have a name and arguments, both strings.", where);
    }
    assistant()["tool_calls"].push_back({{"id", item.value("call_id", Json(""))},
                                         {"type", "function"},
                                         {"function", {{"name", name}, {"arguments", arguments}}}});
    return {};
  }
  ApiResult<void> add_output(const Json& item, const std::string& where) {
    BATON_TRY(content, read_content(item.value("output", Json("")), where + ".output"));
    Json output = message("tool", std::move(content));
    output["tool_call_id"] = item.value("call_id", Json(""));
    messages_.push_back(std::move(output));
    in_turn_ = false;
    return {};
  }
  ApiResult<void> add_reasoning(const Json& item, const std::string& where) {
    BATON_TRY(content, read_content(item.value("content", Json()), where + ".content"));
    if (content.is_null() || content.empty()) return {};
    in_turn_ = false;
    assistant()["reasoning_content"] = text_of(content);
    return {};
  }
  ApiResult<void> add_remembered(const Json& item, const std::string& where) {
    const Json id = item.value("id", Json());
    const auto found =
        memory_ && id.is_string() ? memory_->find(id.get<std::string>()) : std::nullopt;
    if (found) return add(Json::parse(*found), where);
    return bad_value(where + ".id",
                     "\"{}.id\" refers to an item that this server no longer has; send the item "
                     "itself (clients do with \"store\": false).",
                     where);
  }
  Json& assistant() {
    if (!in_turn_) messages_.push_back(message("assistant", nullptr));
    in_turn_ = true;
    return messages_.back();
  }

  const TenantItems* memory_;
  Json messages_ = Json::array();
  bool in_turn_ = false;  // the last message is the assistant's and may be added to
};

void read_input(Fields& fields, const ApiLimits& limits, const TenantItems* memory,
                GenerateRequest& request) {
  Conversation conversation(memory);
  std::string instructions;
  fields.text("instructions", instructions, std::string::npos);
  if (!instructions.empty()) conversation.messages().push_back(message("system", instructions));
  const Json* input = fields.get("input");
  if (input && input->is_string()) {
    conversation.messages().push_back(message("user", *input));
  } else if (input && input->is_array() && !input->empty()) {
    if (input->size() > limits.messages_max) {
      return fields.fail(
          bad_value("input", "\"input\" has more than {} items.", limits.messages_max));
    }
    for (size_t i = 0; i < input->size(); ++i) {
      if (auto added = conversation.add((*input)[i], fmt::format("input[{}]", i)); !added) {
        return fields.fail(added.error());
      }
    }
  } else {
    return fields.fail(
        bad_value("input", "\"input\" must be a string or a list of items, not empty."));
  }
  auto messages = read_messages(conversation.take(), limits);
  if (!messages) return fields.fail(messages.error());
  request.messages = *std::move(messages);
}

// Flat functions become those of chats; hosted tools are none of ours.
void read_response_tools(Fields& fields, const ApiLimits& limits, GenerateRequest& request) {
  Json chat = Json::object();
  if (const Json* tools = fields.get("tools"); tools && tools->is_array() && !tools->empty()) {
    chat["tools"] = Json::array();
    for (size_t i = 0; i < tools->size(); ++i) {
      const Json& tool = (*tools)[i];
      const std::string at = fmt::format("tools[{}]", i);
      if (!tool.is_object() || tool.value("type", Json()) != "function") {
        return fields.fail(unsupported_parameter(at + ".type", "only \"function\" is."));
      }
      Json function = tool;
      function.erase("type");
      chat["tools"].push_back({{"type", "function"}, {"function", std::move(function)}});
    }
  } else if (tools && !tools->is_array()) {
    return fields.fail(bad_value("tools", "\"tools\" must be a list."));
  }
  if (const Json* choice = fields.get("tool_choice")) {
    const bool named = choice->is_object() && choice->value("type", Json()) == "function";
    chat["tool_choice"] =
        named ? Json{{"type", "function"}, {"function", {{"name", choice->value("name", Json())}}}}
              : *choice;
  }
  if (const Json* parallel = fields.get("parallel_tool_calls")) {
    chat["parallel_tool_calls"] = *parallel;
  }
  Fields inner(chat);
  read_tools(inner, limits, request);
  fields.add(inner);
}

// What would need a memory of earlier responses, or a place to keep this one.
void refuse_state(Fields& fields) {
  for (const char* name :
       {"previous_response_id", "conversation", "prompt", "context_management"}) {
    fields.refuse(name,
                  "this server keeps no responses; send the whole conversation as \"input\".");
  }
  bool background = false;
  fields.boolean("background", background);
  if (background) {
    fields.fail(unsupported_parameter("background", "this server keeps no responses."));
  }
}

void read_report(Fields& fields, const ApiLimits& limits, GenerateRequest& request) {
  fields.integer("top_logprobs", request.report.top_logprobs, 0, limits.top_logprobs_max);
  request.report.logprobs = request.report.top_logprobs > 0;
  const Json* include = fields.get("include");
  if (!include) return;
  for (size_t i = 0; include->is_array() && i < include->size(); ++i) {
    if ((*include)[i] == "message.output_text.logprobs") request.report.logprobs = true;
  }
}

void read_text_format(Fields& fields, GenerateRequest& request) {
  const Json* text = fields.get("text");
  if (!text) return;
  if (!text->is_object()) return fields.fail(bad_value("text", "\"text\" must be an object."));
  const Json format = text->value("format", Json());
  if (!format.is_null()) request.constraint = read_format(fields, format, "text.format", true);
}

// The answer says again what it was asked.
void keep_for_answer(const Json& body, GenerateRequest& request) {
  for (const char* name :
       {"instructions", "max_output_tokens", "metadata", "parallel_tool_calls", "reasoning",
        "temperature", "text", "tool_choice", "tools", "top_p", "truncation", "user"}) {
    if (body.contains(name)) request.repeated[name] = body[name];
  }
}

}  // namespace

ApiResult<GenerateRequest> parse_responses(const Json& body, const ModelFacts& model,
                                           const ApiLimits& limits, const TenantItems* memory) {
  GenerateRequest request;
  request.dialect = Dialect::responses;
  // Names that mean another thing here than in a chat are read below.
  Fields fields(body);
  read_fields_of_chat(fields, {"stream_options", "top_logprobs", "prompt", "n", "echo"}, model,
                      limits, request);
  refuse_state(fields);
  fields.ignore({"stream_options", "truncation", "max_tool_calls"});
  fields.refuse("n", "a response has one choice.");
  fields.integer("max_output_tokens", request.max_tokens, 1, model.max_model_len);
  fields.boolean("store", request.store);
  read_input(fields, limits, memory, request);
  read_response_tools(fields, limits, request);
  read_report(fields, limits, request);
  read_text_format(fields, request);
  request.template_kwargs["add_generation_prompt"] = true;
  keep_for_answer(body, request);
  if (request.max_tokens == 0u) {
    fields.fail(bad_value("max_output_tokens", "\"max_output_tokens\" must be at least 1."));
  }
  BATON_CHECKED(finish_fields(fields, limits, request));
  return request;
}

}  // namespace baton::server::api
