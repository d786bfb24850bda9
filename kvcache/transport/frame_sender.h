// FrameSender: carries frames from this process's pool to peers. One interface, several bodies.
//
// post() takes references to blocks; a block is read (and its checksum computed) when its frame is
// written, so its bytes must be final and its page must stay allocated until the job's hand-off has
// ended: committed, or aborted and forgotten. Frames are written in the order they were posted to
// an address. Nothing is acknowledged here: the receiver asks again for what it misses. Events
// never run inside post() or forget(). Destroying a sender silences it. Thread safety: one
// executor.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "kvcache/pool_memory.h"
#include "kvcache/running_digests.h"
#include "kvcache/sender.h"

namespace baton::kvcache {

struct FrameSenderEvents {
  // No posted frame of the session waits any more: it is time to seal.
  std::function<void(SessionId)> on_written;
  // The way to `address` is down and the frames of `sessions` that waited for it are dropped.
  // Posting to it again tries it again.
  std::function<void(const std::string& address, const std::vector<SessionId>& sessions,
                     const Error& why)>
      on_down;
};

struct FrameSenderCounts {
  uint64_t frames = 0;  // written
  uint64_t bytes = 0;   // of payload, in these frames
  uint64_t shared = 0;  // of these frames: those whose payload was not sent but mapped by the peer
  uint64_t dropped = 0;
  uint64_t connections = 0;  // ever made
};

class FrameSender {
 public:
  virtual ~FrameSender() = default;

  // Takes all of the frames, or none when too many wait already (or too many peers).
  virtual bool post(const std::string& address, std::span<const OutgoingFrame> frames) = 0;

  // Drops the session's frames. When it returns, nothing of this process reads the session's pages
  // for it; if one was being written, its connection is closed and the other frames go on a new
  // one.
  virtual void forget(SessionId session) = 0;

  virtual size_t waiting(SessionId session) const = 0;  // posted frames not yet written
  virtual const FrameSenderCounts& counts() const = 0;
};

struct FrameSenderOptions {
  bool shared_memory = true;  // offered to peers on the same host if the pool is shared
  size_t waiting_max = size_t{1} << 17;
  size_t peers_max = 256;
  Duration connect_timeout = 3s;  // until the peer has answered the hello
  Duration write_timeout = 10s;   // without any progress
  Duration idle_timeout = 30s;    // less than the server's
  Duration check_interval = 500ms;
};

// Over sockets: payloads follow their headers, or stay in the shared pool for a peer on this host.
// Blocks are added to `digests`, if there are any, as they are written. `pool`, `clock` and
// `digests` outlive it.
std::unique_ptr<FrameSender> make_socket_sender(boost::asio::any_io_executor executor,
                                                const FrameSenderOptions& options,
                                                const PoolMemory& pool, const Clock& clock,
                                                FrameSenderEvents events,
                                                RunningDigests* digests = nullptr);

}  // namespace baton::kvcache
