// Bytes in and out of the messages between daemons.
#include "proto/codec.h"

#include "proto/codec_internal.h"

namespace baton::rpc {

std::string serialize(const ToScheduler& message) { return to_bytes<v1::ToScheduler>(message); }
std::string serialize(const FromScheduler& message) { return to_bytes<v1::FromScheduler>(message); }
std::string serialize(const ToPrefill& message) { return to_bytes<v1::ToPrefill>(message); }
std::string serialize(const FromPrefill& message) { return to_bytes<v1::FromPrefill>(message); }
std::string serialize(const ToDecode& message) { return to_bytes<v1::ToDecode>(message); }
std::string serialize(const FromDecode& message) { return to_bytes<v1::FromDecode>(message); }

template <>
Result<ToScheduler> parse(std::span<const std::byte> bytes) {
  return from_bytes<v1::ToScheduler>(bytes);
}
template <>
Result<FromScheduler> parse(std::span<const std::byte> bytes) {
  return from_bytes<v1::FromScheduler>(bytes);
}
template <>
Result<ToPrefill> parse(std::span<const std::byte> bytes) {
  return from_bytes<v1::ToPrefill>(bytes);
}
template <>
Result<FromPrefill> parse(std::span<const std::byte> bytes) {
  return from_bytes<v1::FromPrefill>(bytes);
}
template <>
Result<ToDecode> parse(std::span<const std::byte> bytes) {
  return from_bytes<v1::ToDecode>(bytes);
}
template <>
Result<FromDecode> parse(std::span<const std::byte> bytes) {
  return from_bytes<v1::FromDecode>(bytes);
}

}  // namespace baton::rpc
