// prepare: from a request's body to what is submitted to the cluster: parsed, rendered, tokenized,
// and checked against the model's length.
//
// A pure function of the body and the model, so that big bodies can be prepared on another thread.
// Ids and seeds are not drawn here. Cost: linear in the body. Thread safety: any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "server/api/generate_request.h"

namespace baton::server::api {

struct Prepared {
  GenerateRequest request;
  // One for each prompt; id, seed (unless the client gave one) and time_left are still to be set.
  std::vector<RequestState> states;
  std::vector<std::string> echoes;  // the prompts' texts, if asked to be echoed
};

ApiResult<Prepared> prepare_chat(std::string_view body, const TextModel& model,
                                 const ApiLimits& limits);
ApiResult<Prepared> prepare_completion(std::string_view body, const TextModel& model,
                                       const ApiLimits& limits);
// The same from a request that is parsed already (gRPC).
ApiResult<Prepared> prepare(GenerateRequest request, const TextModel& model);

// /tokenize and /detokenize: from body to answer.
ApiResult<std::string> tokenize(std::string_view body, const TextModel& model,
                                const ApiLimits& limits);
ApiResult<std::string> detokenize(std::string_view body, const TextModel& model,
                                  const ApiLimits& limits);

}  // namespace baton::server::api
