// StoreServer: gives and takes pages over connections; the store works on a thread of its own.
//
// A connection is served request by request (wire.h), so a peer waits only for itself and for the
// store's thread, and what it can make the server hold is bounded: one batch of pages on their way
// out, or one page on its way in. A peer that stands still loses its connection; so does one that
// says what it must not. Sockets are served on the executor, pages are looked for, read, checked
// and written on the store's thread. stop() closes everything and waits for that thread; destroying
// stops. Thread safety: one executor.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "kvcache/store/page_store.h"

namespace baton::kvcache {

struct StoreServerOptions {
  std::string host = "127.0.0.1";
  uint16_t port = 0;  // 0: any free one
  size_t connections_max = 256;
  size_t batch_bytes = size_t{4} << 20;  // of pages that are read at a time; one page at least
  Duration request_timeout = 10s;        // for the rest of a request, and for an answer to be taken
  Duration idle_timeout = 600s;          // between two requests
  Duration check_interval = 500ms;
};

struct StoreServerCounts {
  uint64_t connections = 0;  // ever accepted
  uint64_t refused = 0;      // beyond the limit
  uint64_t violations = 0;   // connections that were closed for what they said
  uint64_t timeouts = 0;
};

// The store's, as of some moment.
struct StoreStatus {
  PageStoreCounts store;
  DiskTierCounts disk;
  uint64_t memory_pages = 0, memory_bytes = 0, memory_evicted = 0;
  uint64_t disk_pages = 0, disk_bytes = 0;
};

class StoreServer {
 public:
  // Errors: invalid_argument (the host), unavailable (the port).
  static Result<std::unique_ptr<StoreServer>> listen(boost::asio::any_io_executor executor,
                                                     const StoreServerOptions& options,
                                                     PageStore store, const Clock& clock);
  ~StoreServer();
  StoreServer(const StoreServer&) = delete;
  StoreServer& operator=(const StoreServer&) = delete;

  void stop();
  const std::string& address() const;  // host:port, the port really bound
  StoreServerCounts counts() const;
  // Asks the store's thread; the answer comes on the executor, unless the server stops before.
  void ask_status(std::function<void(const StoreStatus&)> answer);

 private:
  class Hub;
  class Connection;
  explicit StoreServer(std::shared_ptr<Hub> hub);

  std::shared_ptr<Hub> hub_;  // also held by callbacks that still run when the server is gone
};

}  // namespace baton::kvcache
