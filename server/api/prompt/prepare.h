// prepare: from a request's body to what is submitted to the cluster: parsed, rendered, tokenized,
// and checked against the model's length.
//
// A pure function of the body and the model, so that big bodies can be prepared on another thread.
// Ids and seeds are not drawn here. Cost: linear in the body. Thread safety: any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "server/api/dialects/item_memory.h"
#include "server/api/output/output_parser.h"
#include "server/api/request/generate_request.h"

namespace baton::server::api {

struct Prepared {
  GenerateRequest request;
  // One for each prompt; id, seed (unless the client gave one) and time_left are still to be set.
  std::vector<RequestState> states;
  std::vector<std::string> echoes;       // the prompts' texts, if asked to be echoed
  OutputRules rules;                     // of a chat, which has one prompt
  std::optional<ConstraintParams> form;  // as decode will read it
};

// The body of a request in this dialect. `memory`: items that it may refer to; may be null.
ApiResult<GenerateRequest> parse_request(Dialect dialect, const Json& body, const ModelFacts& model,
                                         const ApiLimits& limits,
                                         const TenantItems* memory = nullptr);
ApiResult<Prepared> prepare(GenerateRequest request, const TextModel& model);
ApiResult<Prepared> prepare_body(Dialect dialect, std::string_view body, const TextModel& model,
                                 const ApiLimits& limits, const TenantItems* memory = nullptr);

// The tokens of a chat's prompt, as prepare() has them.
ApiResult<std::vector<TokenId>> chat_prompt(const GenerateRequest& request, const TextModel& model);

}  // namespace baton::server::api
