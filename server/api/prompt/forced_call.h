// forced_call: the form of an answer that must call a tool.
//
// The call keeps to a grammar (model/constraint/languages/grammar_text.h) over text and the markers
// of calls, as this model writes them: the name of a tool, arguments by that tool's schema, the end
// of the call; then, where several may come, another call or the end of all. Arguments are any
// object where a schema can't be kept to, unless it says "strict". Thread safety: pure functions.
#pragma once

#include <string>

#include "server/api/request/generate_request.h"

namespace baton::server::api {

struct ForcedCall {
  // What comes before the choices that the model has, of the first call: text with markers.
  text::RenderedPrompt head;
  // The grammar of what follows `head`, and of `head` and what follows.
  std::string behind_head, whole;
};

bool must_call(const GenerateRequest& request);
// No more than one call may come.
bool one_call(const GenerateRequest& request);

// Of a request that must call. A 400 if a strict schema can't be kept to.
ApiResult<ForcedCall> forced_call(const GenerateRequest& request, const ModelFacts& model);

}  // namespace baton::server::api
