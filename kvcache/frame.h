// What is said on a frame connection, byte by byte: hello, answer, then frames one way.
//
// All messages have a fixed size, are little endian and end with a CRC32C of themselves, so that a
// flipped bit in a header can neither misplace a block nor be taken for a length. Decoding is
// strict: what decodes encodes to the same bytes, unknown flags and padding that isn't zero are
// errors, and no length or offset is returned that the pool's format doesn't allow. A frame's
// payload follows its header, or lies at an offset of the sender's pool, which the receiver maps;
// the hello decides which. Thread safety: pure functions.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/result.h"
#include "kvcache/handoff.h"
#include "kvcache/pool_memory.h"

namespace baton::kvcache {

inline constexpr uint16_t kFrameWireVersion = 1;

// Two processes with the same identity can map each other's memory by name.
struct HostIdentity {
  std::array<std::byte, 16> boot_id{};  // all zero: unknown, equal to none
  uint64_t pid_namespace = 0;           // names of shared memory hold a process id
  uint32_t uid = 0;
  friend bool operator==(const HostIdentity&, const HostIdentity&) = default;
};

// sender -> receiver, first.
struct Hello {
  static constexpr size_t kBytes = 128;
  static constexpr size_t kNameMax = 64;
  PageFormat format;
  uint64_t pool_bytes = 0;
  HostIdentity host;
  std::string shared_name;  // of the sender's pool; empty: payloads follow their headers
  friend bool operator==(const Hello&, const Hello&) = default;
};

// receiver -> sender, once.
struct HelloAnswer {
  static constexpr size_t kBytes = 128;
  static constexpr size_t kReasonMax = 112;
  enum class Verdict : uint16_t { payload_follows, payload_shared, refused };
  Verdict verdict = Verdict::refused;
  std::string reason;  // of a refusal; cut to kReasonMax
  friend bool operator==(const HelloAnswer&, const HelloAnswer&) = default;
};

// sender -> receiver, any number of times.
struct WireFrame {
  static constexpr size_t kBytes = 56;
  FrameHeader header;
  bool shared = false;  // the payload lies at `offset`; else it follows
  uint64_t offset = 0;
  friend bool operator==(const WireFrame&, const WireFrame&) = default;
};

// What both sides agreed on; every frame must keep to it.
struct FrameRules {
  PageFormat format;
  bool shared = false;
  uint64_t pool_bytes = 0;  // of the sender's pool
};

std::array<std::byte, Hello::kBytes> encode(const Hello& hello);
std::array<std::byte, HelloAnswer::kBytes> encode(const HelloAnswer& answer);
std::array<std::byte, WireFrame::kBytes> encode(const WireFrame& frame);

// Errors: corrupt (not what this code would send), unsupported (another version).
Result<Hello> decode_hello(std::span<const std::byte, Hello::kBytes> bytes);
Result<HelloAnswer> decode_answer(std::span<const std::byte, HelloAnswer::kBytes> bytes);
Result<WireFrame> decode_frame(std::span<const std::byte, WireFrame::kBytes> bytes,
                               const FrameRules& rules);

}  // namespace baton::kvcache
