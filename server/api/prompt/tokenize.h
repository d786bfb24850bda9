// tokenize and detokenize: from the body of a request to the answer, in the shapes of vLLM and of
// llama-server. Cost: linear in the body. Thread safety: any thread.
#pragma once

#include <string>
#include <string_view>

#include "server/api/request/generate_request.h"

namespace baton::server::api {

ApiResult<std::string> tokenize(std::string_view body, const TextModel& model,
                                const ApiLimits& limits);
ApiResult<std::string> detokenize(std::string_view body, const TextModel& model,
                                  const ApiLimits& limits);

// What lies behind the two: from the parsed body to the ids of its prompt or messages, and to the
// text of its tokens.
ApiResult<std::vector<TokenId>> token_ids(const Json& body, const TextModel& model,
                                          const ApiLimits& limits);
ApiResult<std::string> text_of_ids(const Json& body, const TextModel& model,
                                   const ApiLimits& limits);

// Anthropic's /v1/messages/count_tokens: the length that the prompt of such a request would have.
ApiResult<std::string> count_tokens(std::string_view body, const TextModel& model,
                                    const ApiLimits& limits);

}  // namespace baton::server::api
