// ToolFormat: how DeepSeek's models are told of tools, and how they write their calls.
//
// Two formats: `v3` (V3, R1: the arguments in a fenced block of JSON) and `v31` (V3.1: the bare
// arguments). Both are small templates run by the same interpreter as the model's own, so names,
// descriptions and arguments of a request never become special tokens, and the markers do.
// Thread safety: const.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "base/result.h"
#include "model/text/prompt.h"

namespace baton::text {

enum class ToolStyle : uint8_t { v3, v31 };

// The part of the system prompt that names the tools and asks for calls in this style.
// tools: [{"type": "function", "function": {"name", "description"?, "parameters"?}}]
Result<RenderedPrompt> render_tools(ToolStyle style, const nlohmann::ordered_json& tools);

// What the model said when it made these calls.
// calls: [{"function": {"name", "arguments": text}}]
Result<RenderedPrompt> render_calls(ToolStyle style, const nlohmann::ordered_json& calls);

// What it would begin with if it had to call `name`; empty: any tool.
Result<RenderedPrompt> render_call_begin(ToolStyle style, const std::string& name);

// The answer of a tool, for templates that leave such messages out.
Result<RenderedPrompt> render_tool_output(const std::string& output);

}  // namespace baton::text
