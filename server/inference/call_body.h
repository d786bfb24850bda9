// Calls of the public gRPC service in the API's own words: the body of the equal HTTP request, so
// that one set of rules judges both. Thread safety: pure functions.
#pragma once

#include "proto/inference.h"
#include "server/api/text_model.h"

namespace baton::server {

api::Json body_of(const rpc::GenerateCall& call);
api::Json body_of(const rpc::ChatCall& call);
api::Json body_of(const rpc::TokenizeCall& call);
api::Json body_of(const rpc::DetokenizeCall& call);

}  // namespace baton::server
