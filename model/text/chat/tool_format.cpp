#include "model/text/chat/tool_format.h"

#include <nlohmann/json.hpp>
#include <string_view>

#include "model/text/jinja/template.h"

namespace baton::text {
namespace {

using Ordered = nlohmann::ordered_json;

// As on the model card of V3.1.
constexpr std::string_view kTools31 =
    "## Tools\nYou have access to the following tools:\n"
    "{% for tool in tools %}\n### {{ tool.function.name }}\n"
    "Description: {{ tool.function.description }}\n\n"
    "Parameters: {{ tool.function.parameters|tojson }}\n{% endfor %}\n"
    "IMPORTANT: ALWAYS adhere to this exact format for tool use:\n"
    "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>tool_call_name<｜tool▁sep｜>tool_call_arguments"
    "<｜tool▁call▁end｜>{% raw %}{{additional_tool_calls}}{% endraw %}<｜tool▁calls▁end｜>\n\n"
    "Where:\n\n"
    "- `tool_call_name` must be an exact match to one of the available tools\n"
    "- `tool_call_arguments` must be valid JSON that strictly follows the tool's Parameters "
    "Schema\n"
    "- For multiple tool calls, chain them directly without separators or spaces\n";

constexpr std::string_view kTools3 =
    "## Tools\n\nYou may call the following functions:\n"
    "{% for tool in tools %}\n```json\n{{ tool|tojson }}\n```\n{% endfor %}\n"
    "To call functions, answer in exactly this format, with arguments in valid JSON:\n"
    "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>FUNCTION_NAME\n"
    "```json\n{\"parameter\": \"value\"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>\n"
    "Put a newline between the calls if there are several.\n";

constexpr std::string_view kCalls31 =
    "<｜tool▁calls▁begin｜>{% for call in calls %}<｜tool▁call▁begin｜>{{ call.function.name }}"
    "<｜tool▁sep｜>{{ call.function.arguments }}<｜tool▁call▁end｜>{% endfor "
    "%}<｜tool▁calls▁end｜>";

constexpr std::string_view kCalls3 =
    "<｜tool▁calls▁begin｜>{% for call in calls %}{% if not loop.first %}{{ '\\n' }}{% endif %}"
    "<｜tool▁call▁begin｜>function<｜tool▁sep｜>{{ call.function.name }}{{ '\\n```json\\n' }}"
    "{{ call.function.arguments }}{{ '\\n```' }}<｜tool▁call▁end｜>{% endfor "
    "%}<｜tool▁calls▁end｜>";

constexpr std::string_view kBegin31 =
    "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>{% if name %}{{ name }}<｜tool▁sep｜>{% endif %}";

constexpr std::string_view kBegin3 =
    "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>"
    "{% if name %}{{ name }}{{ '\\n```json\\n' }}{% endif %}";

constexpr std::string_view kOutput = "<｜tool▁output▁begin｜>{{ output }}<｜tool▁output▁end｜>";

Result<RenderedPrompt> render(std::string_view source, const std::string& name,
                              const Ordered& value) {
  BATON_TRY(parsed, jinja::Template::parse(source));
  return parsed.render({{name, &value, false}});
}

// What a request may leave out, so that a line says nothing rather than "none".
Ordered with_all_fields(const Ordered& tools) {
  Ordered all = tools;
  for (auto& tool : all) {
    Ordered& function = tool["function"];
    if (!function.contains("description") || !function["description"].is_string()) {
      function["description"] = "";
    }
    if (!function.contains("parameters") || !function["parameters"].is_object()) {
      function["parameters"] = {{"type", "object"}, {"properties", Ordered::object()}};
    }
  }
  return all;
}

}  // namespace

Result<RenderedPrompt> render_tools(ToolStyle style, const Ordered& tools) {
  if (style == ToolStyle::v3) return render(kTools3, "tools", tools);
  return render(kTools31, "tools", with_all_fields(tools));
}

Result<RenderedPrompt> render_calls(ToolStyle style, const Ordered& calls) {
  return render(style == ToolStyle::v3 ? kCalls3 : kCalls31, "calls", calls);
}

Result<RenderedPrompt> render_call_begin(ToolStyle style, const std::string& name) {
  return render(style == ToolStyle::v3 ? kBegin3 : kBegin31, "name", name);
}

Result<RenderedPrompt> render_tool_output(const std::string& output) {
  return render(kOutput, "output", output);
}

}  // namespace baton::text
