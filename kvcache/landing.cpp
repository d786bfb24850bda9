#include "kvcache/landing.h"

#include "base/hash/crc32c.h"
#include "base/result.h"

namespace baton::kvcache {

namespace {

// Of an admitted frame. `check` writes, or finds, its bytes in the block, and gives their checksum.
template <class Check>
Landing verify(HandoffReceiver& receiver, PoolMemory& pool, const FrameHeader& header, Instant now,
               RunningDigests* digests, Landing out, Check check) {
  const PageId page = receiver.page_of(header);
  const auto block = pool.block(page, header.layer).first(header.length);
  out.verdict = receiver.landed(header, check(block), now);
  const bool right = out.verdict == FrameVerdict::admitted;
  if (DigestStream* const digest =
          digests ? digests->turn_of(*out.job, page, header.layer) : nullptr) {
    if (right) digest->update(block);
    digests->end_turn(page, right);
    out.digested = right;
  }
  if (right) out.bytes = header.length;
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
  return verify(receiver, pool, header, now, digests, std::move(out),
                [&](auto block) { return copy_with_crc32c(block, bytes); });
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
                [](auto block) { return crc32c(block); });
}

}  // namespace baton::kvcache
