#include "kvcache/landing.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/hash/crc32c.h"
#include "base/result.h"

#if defined(__SSE4_2__)
#include <nmmintrin.h>
#endif

namespace baton::kvcache {

namespace {

// Of a block, at a time: what is read twice lies in the first-level cache the second time.
constexpr size_t kPiece = size_t{12} << 10;

using Piece = std::array<std::byte, kPiece>;

// Past the cache, where nobody will look for it soon.
void write_through(std::span<std::byte> to, std::span<const std::byte> from) {
  size_t i = 0;
#if defined(__SSE4_2__)
  if (reinterpret_cast<uintptr_t>(to.data()) % 16 == 0) {
    for (; i + 16 <= from.size(); i += 16)
      _mm_stream_si128(reinterpret_cast<__m128i*>(to.data() + i),
                       _mm_loadu_si128(reinterpret_cast<const __m128i*>(from.data() + i)));
  }
#endif
  std::copy(from.begin() + static_cast<ptrdiff_t>(i), from.end(),
            to.begin() + static_cast<ptrdiff_t>(i));
}

// Copy, checksum and digest in one pass over memory: each piece rests in between where the peer
// can't change it.
uint32_t copy_checked(std::span<std::byte> to, std::span<const std::byte> from,
                      DigestStream* digest) {
  if (digest == nullptr) return copy_with_crc32c(to, from);
  alignas(64) Piece piece;
  uint32_t crc = 0;
  for (size_t at = 0; at < from.size(); at += kPiece) {
    const size_t bytes = std::min(kPiece, from.size() - at);
    const auto here = std::span(piece).first(bytes);
    crc = copy_with_crc32c(here, from.subspan(at, bytes), crc);
    digest->update(here);
    write_through(to.subspan(at, bytes), here);
  }
#if defined(__SSE4_2__)
  _mm_sfence();  // whoever is told that the copy is done sees it
#endif
  return crc;
}

// Of what lies there.
uint32_t check_landed(std::span<const std::byte> block, DigestStream* digest) {
  if (digest == nullptr) return crc32c(block);
  uint32_t crc = 0;
  for (size_t at = 0; at < block.size(); at += kPiece) {
    const auto piece = block.subspan(at, std::min(kPiece, block.size() - at));
    crc = crc32c(piece, crc);
    digest->update(piece);
  }
  return crc;
}

// Of an admitted frame. `check` writes, or finds, its bytes in the block, and gives their checksum.
template <class Check>
Landing verify(HandoffReceiver& receiver, PoolMemory& pool, const FrameHeader& header, Instant now,
               RunningDigests* digests, Landing out, Check check) {
  const PageId page = receiver.page_of(header);
  DigestStream* const digest = digests ? digests->turn_of(*out.job, page, header.layer) : nullptr;
  const uint32_t crc = check(pool.block(page, header.layer).first(header.length), digest);
  out.verdict = receiver.landed(header, crc, now);
  out.digested = digest != nullptr && out.verdict == FrameVerdict::admitted;
  if (digest != nullptr) digests->end_turn(page, out.digested);
  if (out.verdict == FrameVerdict::admitted) out.bytes = header.length;
  out.complete = receiver.complete(*out.job);
  return out;
}

Landing admitted(HandoffReceiver& receiver, const FrameHeader& header) {
  Landing out;
  out.session = header.session;
  out.job = receiver.job_of(header.session);
  out.frame = {header.layer, header.page};
  out.verdict = receiver.admit(header);
  out.complete = out.job && receiver.complete(*out.job);
  return out;
}

}  // namespace

Landing land(HandoffReceiver& receiver, PoolMemory& pool, const FrameHeader& header,
             std::span<const std::byte> bytes, Instant now, RunningDigests* digests) {
  check(bytes.size() == header.length, "a frame lands with another length than it says");
  Landing out = admitted(receiver, header);
  if (out.verdict != FrameVerdict::admitted) return out;
  return verify(
      receiver, pool, header, now, digests, std::move(out),
      [&](auto block, DigestStream* digest) { return copy_checked(block, bytes, digest); });
}

Place place_of(HandoffReceiver& receiver, PoolMemory& pool, const FrameHeader& header) {
  Place out{admitted(receiver, header), {}};
  if (out.landing.verdict == FrameVerdict::admitted)
    out.block = pool.block(receiver.page_of(header), header.layer).first(header.length);
  return out;
}

Landing land_in_place(HandoffReceiver& receiver, PoolMemory& pool, const FrameHeader& header,
                      Instant now, RunningDigests* digests) {
  Landing out = admitted(receiver, header);
  if (out.verdict != FrameVerdict::admitted) return out;
  return verify(receiver, pool, header, now, digests, std::move(out),
                [](auto block, DigestStream* digest) { return check_landed(block, digest); });
}

}  // namespace baton::kvcache
