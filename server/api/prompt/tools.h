// The tools of a request and which of them may or must be called. Thread safety: pure functions.
#pragma once

#include "server/api/request/fields.h"
#include "server/api/request/generate_request.h"

namespace baton::server::api {

// "tools", "tool_choice", "parallel_tool_calls", as chats have them.
void read_tools(Fields& fields, const ApiLimits& limits, GenerateRequest& request);

// Tools in OpenAI's chat form; `where` names the list in errors.
ApiResult<void> check_tools(const Json& tools, const std::string& where, const ApiLimits& limits);

// The choice fits the tools: a named one exists, none must be called where there is none.
ApiResult<void> check_choice(const GenerateRequest& request);

std::vector<std::string> tool_names(const Json& tools);

}  // namespace baton::server::api
