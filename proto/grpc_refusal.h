// Refusals as gRPC tells them: a status whose details are a google.rpc.Status, for programs that
// act on them, and plain trailing metadata for people with simple tools.
//
// For proto/grpc_*.cpp only. Thread safety: pure functions.
#pragma once

#include <grpcpp/support/status.h>

#include "proto/inference.h"

namespace grpc {
class ServerContextBase;
}

namespace baton::rpc {

// The status with `grpc-status-details-bin`: ErrorInfo always; BadRequest if a field is at fault;
// RetryInfo if there is a time to try again. All is UTF-8, whatever the refusal holds.
grpc::Status to_status(const Refusal& refusal);

// The same in the trailing metadata `error-param` and `retry-after-ms`.
void add_trailers(grpc::ServerContextBase& context, const Refusal& refusal);

// Of a call without a valid key.
grpc::Status not_allowed();

}  // namespace baton::rpc
