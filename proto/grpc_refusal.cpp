#include "proto/grpc_refusal.h"

#include <grpcpp/server_context.h>

#include <algorithm>

#include "baton/v1/rpc_status.pb.h"
#include "proto/codec_internal.h"
#include "proto/grpc_internal.h"

namespace baton::rpc {

namespace {

constexpr const char* kDomain = "baton";

// "context_length_exceeded" to "CONTEXT_LENGTH_EXCEEDED", as AIP-193 writes reasons.
std::string upper_snake(std::string_view word) {
  std::string out(word);
  std::ranges::transform(out, out.begin(), [](char c) {
    if (c >= 'a' && c <= 'z') return static_cast<char>(c - 32);
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ? c : '_';
  });
  return out;
}

std::string details(grpc::StatusCode code, const std::string& message, const Refusal& refusal) {
  google::rpc::Status status;
  status.set_code(code);
  status.set_message(utf8(message));
  google::rpc::ErrorInfo info;
  info.set_domain(kDomain);
  info.set_reason(
      upper_snake(refusal.reason.empty() ? to_string(refusal.error.code) : refusal.reason));
  status.add_details()->PackFrom(info);
  if (!refusal.error.param.empty()) {
    google::rpc::BadRequest bad;
    auto* violation = bad.add_field_violations();
    violation->set_field(utf8(refusal.error.param));
    violation->set_description(utf8(message));
    status.add_details()->PackFrom(bad);
  }
  if (refusal.retry_after) {
    google::rpc::RetryInfo retry;
    const int64_t nanoseconds = std::max<int64_t>(refusal.retry_after->count(), 0);
    retry.mutable_retry_delay()->set_seconds(nanoseconds / 1'000'000'000);
    retry.mutable_retry_delay()->set_nanos(static_cast<int32_t>(nanoseconds % 1'000'000'000));
    status.add_details()->PackFrom(retry);
  }
  return status.SerializeAsString();
}

}  // namespace

grpc::Status to_status(const Refusal& refusal) {
  const grpc::Status plain = to_status(refusal.error);
  return {plain.error_code(), plain.error_message(),
          details(plain.error_code(), plain.error_message(), refusal)};
}

void add_trailers(grpc::ServerContextBase& context, const Refusal& refusal) {
  if (!refusal.error.param.empty()) {
    context.AddTrailingMetadata("error-param", utf8(refusal.error.param));
  }
  if (refusal.retry_after) {
    context.AddTrailingMetadata("retry-after-ms", std::to_string(to_ms(*refusal.retry_after)));
  }
}

grpc::Status not_allowed() {
  const std::string message =
      "The API key is missing or wrong; send it as the metadata \"authorization: Bearer KEY\".";
  const Refusal refusal(fail(ErrorCode::invalid_argument, "{}", message), "INVALID_API_KEY");
  return {grpc::StatusCode::UNAUTHENTICATED, message,
          details(grpc::StatusCode::UNAUTHENTICATED, message, refusal)};
}

}  // namespace baton::rpc
