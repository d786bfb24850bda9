// The messages of a conversation: checked, and brought into one form.
//
// In: OpenAI's messages in all the shapes that clients send. Out: role system, user, assistant or
// tool; content as it came; calls as {"id", "type", "function": {"name", "arguments": text}}; the
// old `function_call` and role `function` as calls and answers of tools; `reasoning_content` under
// that name. Members that nobody reads are left out. Thread safety: pure functions.
#pragma once

#include "server/api/request/generate_request.h"

namespace baton::server::api {

ApiResult<Json> read_messages(const Json& messages, const ApiLimits& limits);

// The text of a content: a string, or text parts joined by newlines; empty for null.
std::string text_of(const Json& content);

}  // namespace baton::server::api
