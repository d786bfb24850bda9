// Reads the body of /v1/responses. Thread safety: a pure function of the body and what is
// remembered.
#pragma once

#include "server/api/dialects/item_memory.h"
#include "server/api/request/generate_request.h"

namespace baton::server::api {

// `memory`: where items are looked up that are only referred to; may be null.
ApiResult<GenerateRequest> parse_responses(const Json& body, const ModelFacts& model,
                                           const ApiLimits& limits,
                                           const TenantItems* memory = nullptr);

}  // namespace baton::server::api
