// The names of things that cross processes. Thread safety: values.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

#include "base/id.h"
#include "base/token.h"

namespace baton {

using RequestId = Id<struct RequestTag, uint64_t>;  // drawn by the gateway, unique in the cluster
using Attempt = Id<struct AttemptTag, uint32_t>;    // counts a request's placements, from 1
using JobId = Id<struct JobTag, uint64_t>;          // one prefill of one request, drawn by decode
using Incarnation = Id<struct IncarnationTag, uint64_t>;  // one life of one instance
using ChoiceIndex = uint32_t;                             // 0..n-1 of a request with n choices
using LinkId = Id<struct LinkTag, uint64_t>;  // one accepted link; a name inside its process
using StepId = Id<struct StepTag, uint64_t>;  // one step of a runner; a name inside its process

// A page is 64 tokens through all layers; its epoch grows each time it is allocated anew.
using PageId = Id<struct PageTag, uint32_t>;
using Epoch = Id<struct EpochTag, uint32_t>;
inline constexpr uint32_t kPageTokens = 64;

inline constexpr uint32_t pages_for(uint64_t tokens) {
  return static_cast<uint32_t>((tokens + kPageTokens - 1) / kPageTokens);
}

// The capability to write into reserved pages: 128 unguessable bits.
struct SessionId {
  uint64_t high = 0;
  uint64_t low = 0;
  friend constexpr auto operator<=>(const SessionId&, const SessionId&) = default;
};

// Where an instance is reached, and which life of it is meant.
struct Peer {
  std::string name;         // "decode-0": stable over restarts
  Incarnation incarnation;  // a different one is a different peer
  std::string address;      // host:port of its gRPC service
  friend auto operator<=>(const Peer&, const Peer&) = default;
};

}  // namespace baton
