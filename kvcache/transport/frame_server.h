// FrameServer: accepts frame connections and lands their frames in the owner's pool.
//
// Each connection says hello, agrees where payloads lie (behind their headers, or in the sender's
// pool, mapped read-only here), then sends frames. A large payload that follows is received in its
// place, small ones many at a time in a buffer of the connection's own; that of a refused frame is
// read and thrown away. A connection that breaks the protocol, or stands still in the middle of
// something for too long, is closed and counted; no connection waits for another. The receiver
// machine decides about each frame, and once more whenever more of its payload comes. What landed
// goes into the running digests at once, while it is in the cache; of blocks from shared memory,
// which are copied past it, in quiet moments: under load that is left to the seal. Destroying a
// server closes its connections and silences it; the event may call the receiver, and may destroy
// the server. Thread safety: one executor, which is the receiver's and the pool's owner's.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "kvcache/landing.h"
#include "kvcache/running_digests.h"

namespace baton::kvcache {

struct FrameServerOptions {
  std::string host = "127.0.0.1";
  uint16_t port = 0;  // 0: any free one
  bool shared_memory = true;
  size_t connections_max = 256;
  // Payloads that follow are received in their place where blocks have so many bytes at least.
  size_t in_place_from = size_t{16} << 10;
  Duration hello_timeout = 3s;
  Duration frame_timeout = 10s;  // from a payload's begin to its end
  Duration idle_timeout = 60s;   // between frames
  Duration check_interval = 500ms;
};

struct FrameServerCounts {
  uint64_t connections = 0;  // ever accepted
  uint64_t shared = 0;       // of these: with payloads in shared memory
  uint64_t refused = 0;      // connections that were too many, or whose format is another
  uint64_t violations = 0;   // connections closed because they broke the protocol
  uint64_t timeouts = 0;     // connections closed because they stood still
  uint64_t torn = 0;         // connections that ended in the middle of a frame
  uint64_t bytes = 0;        // copied and verified
  uint64_t digested = 0;     // blocks that were added to the running digests
};

class FrameServer {
 public:
  // `on_landing` hears of every frame, refused ones too. The references, and `digests` if there are
  // any, outlive the server.
  static Result<std::unique_ptr<FrameServer>> listen(boost::asio::any_io_executor executor,
                                                     const FrameServerOptions& options,
                                                     HandoffReceiver& receiver, PoolMemory& pool,
                                                     const Clock& clock,
                                                     std::function<void(const Landing&)> on_landing,
                                                     RunningDigests* digests = nullptr);
  ~FrameServer();
  FrameServer(const FrameServer&) = delete;
  FrameServer& operator=(const FrameServer&) = delete;

  const std::string& address() const;  // host:port, the port really bound
  size_t connections() const;
  FrameServerCounts counts() const;

 private:
  class Hub;
  class Connection;
  explicit FrameServer(std::shared_ptr<Hub> hub);

  std::shared_ptr<Hub> hub_;  // also held by callbacks that still run when the server is gone
};

}  // namespace baton::kvcache
