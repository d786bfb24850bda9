#include "server/api/prompt/tools.h"

#include <algorithm>

namespace baton::server::api {

namespace {

constexpr size_t kNameBytesMax = 128;

// A name is written between markers and newlines, so it is one word.
bool is_name(const Json& name) {
  if (!name.is_string()) return false;
  const auto& text = name.get_ref<const std::string&>();
  return !text.empty() && text.size() <= kNameBytesMax &&
         std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) <= ' '; });
}

void read_choice(Fields& fields, GenerateRequest& request) {
  const Json* choice = fields.get("tool_choice");
  if (!choice) return;
  const std::string path = fields.path("tool_choice");
  if (choice->is_string()) {
    if (*choice == "none") {
      request.tool_choice = {};
    } else if (*choice == "required") {
      request.tool_choice = {ToolChoice::Kind::required, {}};
    } else if (*choice != "auto") {
      fields.fail(bad_value(path, "\"{}\" must be none, auto, required or name a function.", path));
    }
    return;
  }
  const Json type = choice->is_object() ? choice->value("type", Json()) : Json();
  const Json name =
      choice->is_object() && choice->contains("function") && (*choice)["function"].is_object()
          ? (*choice)["function"].value("name", Json())
          : Json();
  if (type != "function" || !name.is_string()) {
    return fields.fail(
        bad_value(path,
                  "\"{}\" must be none, auto, required or {{\"type\": \"function\", \"function\": "
                  "{{\"name\": ...}}}}.",
                  path));
  }
  request.tool_choice = {ToolChoice::Kind::named, name.get<std::string>()};
}

}  // namespace

ApiResult<void> check_tools(const Json& tools, const std::string& where, const ApiLimits& limits) {
  if (!tools.is_array()) return bad_value(where, "\"{}\" must be a list.", where);
  if (tools.empty()) return bad_value(where, "\"{}\" must not be empty.", where);
  if (tools.size() > limits.tools_max) {
    return bad_value(where, "\"{}\" has more than {} tools.", where, limits.tools_max);
  }
  for (size_t i = 0; i < tools.size(); ++i) {
    const std::string at = fmt::format("{}[{}]", where, i);
    const Json& tool = tools[i];
    if (!tool.is_object() || tool.value("type", Json()) != "function") {
      return bad_value(at + ".type", "\"{}\" must be an object of \"type\": \"function\".", at);
    }
    const Json function = tool.value("function", Json());
    if (!function.is_object() || !is_name(function.value("name", Json()))) {
      return bad_value(at + ".function.name",
                       "\"{}.function.name\" must be one word of at most {} bytes.", at,
                       kNameBytesMax);
    }
    const Json parameters = function.value("parameters", Json());
    if (!parameters.is_null() && !parameters.is_object()) {
      return bad_value(at + ".function.parameters",
                       "\"{}.function.parameters\" must be a JSON schema (an object).", at);
    }
    const Json description = function.value("description", Json());
    if (!description.is_null() && !description.is_string()) {
      return bad_value(at + ".function.description",
                       "\"{}.function.description\" must be a string.", at);
    }
  }
  std::vector<std::string> names = tool_names(tools);
  std::ranges::sort(names);
  if (const auto same = std::ranges::adjacent_find(names); same != names.end()) {
    return bad_value(where, "\"{}\" has two functions of the name \"{}\".", where, *same);
  }
  return {};
}

ApiResult<void> check_choice(const GenerateRequest& request) {
  const ToolChoice& choice = request.tool_choice;
  if (choice.kind == ToolChoice::Kind::required && request.tools.is_null()) {
    return bad_value("tool_choice", "\"tool_choice\" asks for a call, but there are no \"tools\".");
  }
  if (choice.kind == ToolChoice::Kind::named) {
    const auto names = tool_names(request.tools);
    if (std::ranges::find(names, choice.name) == names.end()) {
      return bad_value("tool_choice", "\"tool_choice\" names \"{}\", which is not in \"tools\".",
                       choice.name);
    }
  }
  return {};
}

void read_tools(Fields& fields, const ApiLimits& limits, GenerateRequest& request) {
  if (const Json* tools = fields.get("tools")) {
    if (auto checked = check_tools(*tools, fields.path("tools"), limits); !checked) {
      return fields.fail(checked.error());
    }
    request.tools = *tools;
    request.tool_choice.kind = ToolChoice::Kind::automatic;
  }
  read_choice(fields, request);
  fields.boolean("parallel_tool_calls", request.parallel_tool_calls);
  if (auto checked = check_choice(request); !checked) fields.fail(checked.error());
}

std::vector<std::string> tool_names(const Json& tools) {
  std::vector<std::string> names;
  if (!tools.is_array()) return names;
  for (const auto& tool : tools) names.push_back(tool["function"]["name"].get<std::string>());
  return names;
}

}  // namespace baton::server::api
