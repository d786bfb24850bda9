// Bytes of messages: every domain message that crosses a process, to protobuf and back.
//
// parse() refuses what has no meaning: bytes that are not the message, an unknown enum value or
// message version, a missing part, a float that is not finite, a token id past 2^31, a negative
// duration. Whether a value makes sense (ranges, known models) is for who acts on it. serialize()
// takes any message; text that is not UTF-8 gets replacement characters, since a peer would refuse
// it. Invariant, kept by a test for each field: parse(serialize(m)) == m. Thread safety: functions.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "proto/cluster.h"
#include "proto/handoff.h"
#include "proto/inference.h"
#include "proto/request.h"

namespace baton::rpc {

using GenerateEvent = std::variant<TokenEvent, Usage>;
using ChatEvent = std::variant<ChatDelta, Usage>;

std::string serialize(const ToScheduler& message);
std::string serialize(const FromScheduler& message);
std::string serialize(const ToPrefill& message);
std::string serialize(const FromPrefill& message);
std::string serialize(const ToDecode& message);
std::string serialize(const FromDecode& message);
std::string serialize(const GenerateCall& message);  // api_key and time_left travel beside it
std::string serialize(const GenerateEvent& message);
std::string serialize(const ChatCall& message);
std::string serialize(const ChatEvent& message);
std::string serialize(const TokenizeCall& message);
std::string serialize(const TokenizeAnswer& message);
std::string serialize(const DetokenizeCall& message);
std::string serialize(const std::vector<ModelInfo>& message);

// The same types back; corrupt, or for a client's calls invalid_argument with the field in
// `param`.
template <class Message>
Result<Message> parse(std::span<const std::byte> bytes);

template <>
Result<ToScheduler> parse(std::span<const std::byte> bytes);
template <>
Result<FromScheduler> parse(std::span<const std::byte> bytes);
template <>
Result<ToPrefill> parse(std::span<const std::byte> bytes);
template <>
Result<FromPrefill> parse(std::span<const std::byte> bytes);
template <>
Result<ToDecode> parse(std::span<const std::byte> bytes);
template <>
Result<FromDecode> parse(std::span<const std::byte> bytes);
template <>
Result<GenerateCall> parse(std::span<const std::byte> bytes);
template <>
Result<GenerateEvent> parse(std::span<const std::byte> bytes);
template <>
Result<ChatCall> parse(std::span<const std::byte> bytes);
template <>
Result<ChatEvent> parse(std::span<const std::byte> bytes);
template <>
Result<TokenizeCall> parse(std::span<const std::byte> bytes);
template <>
Result<TokenizeAnswer> parse(std::span<const std::byte> bytes);
template <>
Result<DetokenizeCall> parse(std::span<const std::byte> bytes);
template <>
Result<std::vector<ModelInfo>> parse(std::span<const std::byte> bytes);

}  // namespace baton::rpc
