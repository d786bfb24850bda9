// Reads the body of Anthropic's /v1/messages. Thread safety: a pure function.
#pragma once

#include "server/api/request/generate_request.h"

namespace baton::server::api {

ApiResult<GenerateRequest> parse_anthropic(const Json& body, const ModelFacts& model,
                                           const ApiLimits& limits);

}  // namespace baton::server::api
