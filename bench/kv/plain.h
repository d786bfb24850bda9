// What the machine does with the same bytes without any of Baton: memcpy by the same frames, and a
// plain stream over loopback. Blocking, in the caller's thread and one more.
#pragma once

#include "base/clock.h"
#include "kvcache/pool_memory.h"

namespace baton::bench {

// Copies the first `tokens` tokens' blocks from pool to pool in the order in which the hand-off
// sends them: layer by layer, page by page.
Duration copy_by_frames(const kvcache::PoolMemory& source, kvcache::PoolMemory& target,
                        uint32_t tokens, const Clock& clock);

// Writes `bytes` bytes to a TCP connection over loopback from a buffer of 128 KiB again and again,
// read into one of that size by another thread, as iperf3 does; to the last byte's arrival.
Duration plain_stream(size_t bytes, const Clock& clock);

// The same from pool to pool, frame by frame: from and to memory that is in no cache.
Duration stream_by_frames(const kvcache::PoolMemory& source, kvcache::PoolMemory& target,
                          uint32_t tokens, const Clock& clock);

}  // namespace baton::bench
