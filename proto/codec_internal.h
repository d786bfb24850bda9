// The codec in terms of protobuf types: for the units of this folder that hold a parsed message.
//
// encode() never fails. decode() of a whole message returns a Result; decode() of a part notes the
// first mistake in a Fault, so that its code is one assignment a field. Thread safety: functions.
#pragma once

#include <cmath>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "baton/v1/cluster.pb.h"
#include "baton/v1/handoff.pb.h"
#include "baton/v1/inference.pb.h"
#include "baton/v1/request.pb.h"
#include "proto/codec.h"

namespace baton::rpc {

// The first thing that is wrong with a message.
class Fault {
 public:
  void note(std::string_view field, std::string_view what) {
    if (field_.empty()) {
      field_ = field;
      what_ = what;
    }
  }
  bool found() const { return !field_.empty(); }
  Error error(ErrorCode code) const {
    Error error = fail(code, "{} {}.", field_, what_);
    error.param = field_;
    return error;
  }

  float finite(float value, std::string_view field) {
    if (!std::isfinite(value)) note(field, "is not a finite number");
    return value;
  }
  TokenId token(uint32_t value, std::string_view field) {
    if (value > kTokenMax) note(field, "is not a token id");
    return value;
  }
  template <class Repeated>
  std::vector<TokenId> tokens(const Repeated& values, std::string_view field) {
    for (uint32_t value : values) token(value, field);
    return {values.begin(), values.end()};
  }
  Duration elapsed(int64_t nanoseconds, std::string_view field) {
    if (nanoseconds < 0) note(field, "is a negative duration");
    return Duration(nanoseconds);
  }
  void need(bool there, std::string_view field) {
    if (!there) note(field, "is missing");
  }

 private:
  static constexpr uint32_t kTokenMax = (uint32_t{1} << 31) - 1;
  std::string field_;
  std::string what_;
};

// `text` itself if it is UTF-8, else with replacement characters in place of what is not.
std::string utf8(const std::string& text);

template <class Repeated>
void encode_tokens(const std::vector<TokenId>& from, Repeated* to) {
  to->Add(from.begin(), from.end());
}

// Parts that several messages share.
void encode(const Digest& from, v1::Digest* to);
void encode(const SamplingParams& from, v1::SamplingParams* to);
void encode(const StopParams& from, v1::StopParams* to);
void encode(const ReportParams& from, v1::ReportParams* to);
void encode(const RequestState& from, v1::RequestState* to);
void encode(const TokenEvent& from, v1::TokenEvent* to);
void encode(const PromptScoreRun& from, v1::PromptScoreRun* to);
void encode(const Peer& from, v1::Peer* to);
Digest decode(const v1::Digest& from);
SamplingParams decode(const v1::SamplingParams& from, Fault& fault);
StopParams decode(const v1::StopParams& from, Fault& fault);
ReportParams decode(const v1::ReportParams& from);
RequestState decode(const v1::RequestState& from, Fault& fault);
TokenEvent decode(const v1::TokenEvent& from, Fault& fault);
PromptScoreRun decode(const v1::PromptScoreRun& from, Fault& fault);
Peer decode(const v1::Peer& from);

// Whole messages.
void encode(const ToScheduler& from, v1::ToScheduler* to);
void encode(const FromScheduler& from, v1::FromScheduler* to);
void encode(const ToPrefill& from, v1::ToPrefill* to);
void encode(const FromPrefill& from, v1::FromPrefill* to);
void encode(const ToDecode& from, v1::ToDecode* to);
void encode(const FromDecode& from, v1::FromDecode* to);
void encode(const GenerateCall& from, v1::GenerateRequest* to);
void encode(const GenerateEvent& from, v1::GenerateResponse* to);
void encode(const ChatCall& from, v1::ChatRequest* to);
void encode(const ChatEvent& from, v1::ChatResponse* to);
void encode(const TokenizeCall& from, v1::TokenizeRequest* to);
void encode(const TokenizeAnswer& from, v1::TokenizeResponse* to);
void encode(const DetokenizeCall& from, v1::DetokenizeRequest* to);
void encode(const std::vector<ModelInfo>& from, v1::ModelsResponse* to);
Result<ToScheduler> decode(const v1::ToScheduler& from);
Result<FromScheduler> decode(const v1::FromScheduler& from);
Result<ToPrefill> decode(const v1::ToPrefill& from);
Result<FromPrefill> decode(const v1::FromPrefill& from);
Result<ToDecode> decode(const v1::ToDecode& from);
Result<FromDecode> decode(const v1::FromDecode& from);
Result<GenerateCall> decode(const v1::GenerateRequest& from);
Result<GenerateEvent> decode(const v1::GenerateResponse& from);
Result<ChatCall> decode(const v1::ChatRequest& from);
Result<ChatEvent> decode(const v1::ChatResponse& from);
Result<TokenizeCall> decode(const v1::TokenizeRequest& from);
Result<TokenizeAnswer> decode(const v1::TokenizeResponse& from);
Result<DetokenizeCall> decode(const v1::DetokenizeRequest& from);
Result<std::vector<ModelInfo>> decode(const v1::ModelsResponse& from);

// Bytes of a message, by way of its wire type.
template <class Wire, class Message>
std::string to_bytes(const Message& message) {
  Wire wire;
  encode(message, &wire);
  return wire.SerializeAsString();
}

template <class Wire>
auto from_bytes(std::span<const std::byte> bytes) -> decltype(decode(std::declval<Wire>())) {
  Wire wire;
  if (!wire.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return fail(ErrorCode::corrupt, "The bytes are no {}.", wire.GetTypeName());
  return decode(wire);
}

// The result of a decode that has noted its mistakes in `fault`.
template <class Message>
Result<Message> checked(Message message, const Fault& fault) {
  if (fault.found()) return fault.error(ErrorCode::corrupt);
  return message;
}

}  // namespace baton::rpc
