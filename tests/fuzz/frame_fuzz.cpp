// Any bytes as messages of the frame protocol: what decodes encodes to the same bytes, keeps to the
// rules, and leaves the receiver's accounts right. The first byte chooses the message; another
// chooses whether its checksum is made right, so that the fuzzer gets past it.
#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "base/hash/crc32c.h"
#include "base/result.h"
#include "kvcache/frame.h"
#include "kvcache/invariants.h"
#include "kvcache/landing.h"

namespace baton::kvcache {
namespace {

constexpr PageFormat kFormat{2, 16};

template <size_t Size>
std::array<std::byte, Size> message(std::span<const uint8_t> data, bool seal) {
  std::array<std::byte, Size> out{};
  std::memcpy(out.data(), data.data(), std::min(Size, data.size()));
  if (seal) {
    const uint32_t crc = crc32c(std::span(out).first(Size - 4));
    for (size_t i = 0; i < 4; ++i) out[Size - 4 + i] = static_cast<std::byte>(crc >> (8 * i));
  }
  return out;
}

void fuzz_frames(std::span<const uint8_t> data, bool seal, bool shared) {
  PagePool pool(4);
  HandoffReceiver receiver(pool, kFormat, {});
  auto memory = PoolMemory::create_private(kFormat, 4);
  check(memory.has_value(), "no memory");
  receiver.open(JobId{1}, {0, 1}, 70, {});
  const FrameRules rules{kFormat, shared, 8 * kFormat.page_bytes()};
  const std::vector<std::byte> zeros(rules.pool_bytes);
  uint64_t landed = 0;
  for (int round = 0; round < 16 && !data.empty(); ++round) {
    const auto bytes = message<WireFrame::kBytes>(data, seal);
    data = data.subspan(std::min(WireFrame::kBytes, data.size()));
    const auto frame = decode_frame(bytes, rules);
    if (!frame) continue;
    check(encode(*frame) == bytes, "a frame does not encode to what it was decoded from");
    check(frame->offset + frame->header.length <= zeros.size(), "a frame reaches out of the pool");
    land(receiver, *memory, frame->header,
         std::span(zeros).subspan(frame->offset, frame->header.length), Instant{});
    ++landed;
    const auto broken = broken_invariant(pool, receiver);
    check(!broken, broken ? *broken : "");
  }
  uint64_t counted = 0;
  for (const uint64_t count : receiver.frame_counts()) counted += count;
  check(counted == landed, "a frame was not counted");
}

void fuzz(std::span<const uint8_t> data) {
  if (data.size() < 2) return;
  const bool seal = data[1] & 1;
  const bool shared = data[1] & 2;
  const auto rest = data.subspan(2);
  switch (data[0] % 3) {
    case 0: {
      const auto bytes = message<Hello::kBytes>(rest, seal);
      if (const auto hello = decode_hello(bytes)) {
        check(encode(*hello) == bytes, "a hello does not encode to what it was decoded from");
      }
      break;
    }
    case 1: {
      const auto bytes = message<HelloAnswer::kBytes>(rest, seal);
      if (const auto answer = decode_answer(bytes)) {
        check(encode(*answer) == bytes, "an answer does not encode to what it was decoded from");
      }
      break;
    }
    default:
      fuzz_frames(rest, seal, shared);
  }
}

}  // namespace
}  // namespace baton::kvcache

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  baton::kvcache::fuzz({data, size});
  return 0;
}
