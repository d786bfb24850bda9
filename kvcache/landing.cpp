#include "kvcache/landing.h"

#include "base/hash/crc32c.h"
#include "base/result.h"

namespace baton::kvcache {

Landing land(HandoffReceiver& receiver, PoolMemory& pool, const FrameHeader& header,
             std::span<const std::byte> bytes, Instant now) {
  check(bytes.size() == header.length, "a frame lands with another length than it says");
  Landing out;
  out.session = header.session;
  out.job = receiver.job_of(header.session);
  out.frame = {header.layer, header.page};
  out.verdict = receiver.admit(header);
  if (out.verdict == FrameVerdict::admitted) {
    const auto block = pool.block(receiver.page_of(header), header.layer).first(header.length);
    out.verdict = receiver.landed(header, copy_with_crc32c(block, bytes), now);
  }
  if (out.verdict == FrameVerdict::admitted) out.bytes = header.length;
  out.complete = out.job && receiver.complete(*out.job);
  return out;
}

}  // namespace baton::kvcache
