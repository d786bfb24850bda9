#include "server/api/prompt/forced_call.h"

#include <algorithm>

#include "model/constraint/specification.h"
#include "server/api/prompt/tools.h"

namespace baton::server::api {

namespace {

constexpr std::string_view kAnyObject = R"({"type":"object"})";
constexpr uint64_t kShareMin = 500'000;  // steps of compilation
constexpr uint32_t kStatesMin = 20'000;  // before it is deterministic

std::string grammar_literal(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

struct Tool {
  std::string name;
  std::string param;
  std::string schema{kAnyObject};  // of its arguments
  bool strict = false;
};

// Those that may be called. Arguments are an object, whatever else a schema allows.
std::vector<Tool> tools_of(const GenerateRequest& request) {
  std::vector<Tool> tools;
  const ToolChoice& choice = request.tool_choice;
  for (size_t i = 0; i < request.tools.size(); ++i) {
    const Json& function = request.tools[i]["function"];
    Tool tool;
    tool.name = function["name"].get<std::string>();
    if (choice.kind == ToolChoice::Kind::named && tool.name != choice.name) continue;
    tool.param = fmt::format("tools[{}].function.parameters", i);
    tool.strict = function.value("strict", Json()) == true;
    Json schema = function.value("parameters", Json());
    if (schema.is_object() && schema.contains("properties")) schema.emplace("type", "object");
    if (schema.is_object() && schema.value("type", Json()) == "object") tool.schema = schema.dump();
    tools.push_back(std::move(tool));
  }
  return tools;
}

// What stands around the parts of a call, in the notation of grammars.
struct Notation {
  std::string before_name, behind_name, behind_arguments, between;
};

Notation notation_of(text::ToolStyle style) {
  if (style == text::ToolStyle::v3) {
    return {R"(<｜tool▁call▁begin｜> "function" <｜tool▁sep｜>)", R"("\n```json\n")",
            R"("\n```" <｜tool▁call▁end｜>)", R"("\n")"};
  }
  return {"<｜tool▁call▁begin｜>", "<｜tool▁sep｜>", "<｜tool▁call▁end｜>", ""};
}

std::string grammar_of(const std::vector<Tool>& tools, const Notation& notation, bool one,
                       bool whole) {
  const bool known = tools.size() == 1;  // which is called: then `head` names it
  std::string names, rules;
  for (size_t i = 0; i < tools.size(); ++i) {
    names += fmt::format("{}{} {} arguments-{}", i > 0 ? " | " : "", grammar_literal(tools[i].name),
                         notation.behind_name, i);
    rules += fmt::format("arguments-{} ::= %json {}\n", i, tools[i].schema);
  }
  const std::string end = notation.behind_arguments;
  std::string root = whole ? fmt::format("<｜tool▁calls▁begin｜> {} named", notation.before_name)
                     : known ? "arguments-0"
                             : "named";
  root += ' ' + end;
  if (!one) {
    root += fmt::format(" ({} {} named {})* <｜tool▁calls▁end｜>", notation.between,
                        notation.before_name, end);
  }
  const bool has_named = whole || !known || !one;
  return fmt::format("root ::= {}\n{}{}", root,
                     has_named ? fmt::format("named ::= {}\n", names) : "", rules);
}

Result<void> compiles(const std::string& grammar) {
  const auto compiled = constraint::compile(ConstraintParams::Form::grammar, grammar);
  if (!compiled) return compiled.error();
  return {};
}

// Where all of it can't be kept to: what is not strict gives way, each for itself, then all. Each
// schema may cost its share only, so that many of them cost no more than one request may.
ApiResult<void> give_way(std::vector<Tool>& tools, const auto& fits) {
  constraint::Limits limits;
  const auto share = static_cast<uint32_t>(tools.size());
  limits.steps_max = std::max<uint64_t>(limits.steps_max / share, kShareMin);
  limits.nfa_states_max = std::max(limits.nfa_states_max / share, kStatesMin);
  for (Tool& tool : tools) {
    const auto alone =
        constraint::compile(ConstraintParams::Form::json_schema, tool.schema, limits);
    if (alone) continue;
    if (tool.strict) return bad_value(tool.param, "{}.", alone.error().message);
    tool.schema = kAnyObject;
  }
  if (fits()) return {};
  for (Tool& tool : tools) {
    if (!tool.strict) tool.schema = kAnyObject;
  }
  if (const auto fit = fits(); !fit) return bad_value("tools", "{}.", fit.error().message);
  return {};
}

}  // namespace

bool must_call(const GenerateRequest& request) {
  return request.tool_choice.kind == ToolChoice::Kind::required ||
         request.tool_choice.kind == ToolChoice::Kind::named;
}

bool one_call(const GenerateRequest& request) {
  return !request.parallel_tool_calls || request.tool_choice.kind == ToolChoice::Kind::named;
}

ApiResult<ForcedCall> forced_call(const GenerateRequest& request, const ModelFacts& model) {
  std::vector<Tool> tools = tools_of(request);
  const Notation notation = notation_of(model.tool_style);
  const bool one = one_call(request);
  const auto fits = [&] { return compiles(grammar_of(tools, notation, one, true)); };
  if (!fits()) {
    BATON_CHECKED(give_way(tools, fits));
  }
  ForcedCall call;
  const std::string name = tools.size() == 1 ? tools.front().name : "";
  auto head = text::render_call_begin(model.tool_style, name);
  if (!head) return to_api(head.error());
  call.head = *std::move(head);
  call.behind_head = grammar_of(tools, notation, one, false);
  call.whole = grammar_of(tools, notation, one, true);
  return call;
}

}  // namespace baton::server::api
