// StoreClient: a prefill's way to a kvstore: looks prefixes up, reads their pages into the pool,
// writes finished pages behind the requests.
//
// Reads and writes have a connection each, so that no lookup waits behind a page on its way out; on
// each, one order is served at a time, in turn. Connections are made when there is something to
// say; one that fails or stands still fails every order that waits for it, and the next is tried
// after a pause that doubles. While there is none, orders fail at once: nobody waits for a store
// that is gone. One that is late for its job costs its connection, not the orders behind it, unless
// the one before it was late too. A page is written into the pool only after its digest has proved
// that it is whole and the one that was asked for. Every order is answered exactly once unless it
// is forgotten, never from inside the call that gave it. Destroying a client silences it. Thread
// safety: one executor; pages that are written to the store are read there too.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/observe/log.h"
#include "kvcache/client/orders.h"
#include "kvcache/pool_memory.h"

namespace baton::kvcache {

struct StoreClientOptions {
  std::string address;             // host:port of the kvstore
  Duration connect_timeout = 1s;   // until the connection is there
  Duration progress_timeout = 2s;  // without an answer, or a page, while an order is served
  Duration retry_after = 100ms;    // doubles with each failure in a row
  Duration retry_after_max = 5s;
  Duration check_interval = 100ms;
  size_t batch_bytes = size_t{4} << 20;  // of pages that are asked for at a time; one at least
};

struct StoreClientEvents {
  // So many of the names are held, from the first on; nothing: the store can't be asked.
  std::function<void(StoreOrder, std::optional<uint32_t>)> on_held;
  std::function<void(StoreOrder)> on_begin;  // it is the read's turn: it is asked for
  std::function<void(StoreOrder)> on_page;   // the next page lies in the pool, whole
  // No more pages come: all have, one is missing, or the store can't be asked any more.
  std::function<void(StoreOrder)> on_end;
  std::function<void(uint32_t stored)> on_kept;  // the pages of keep() are not read any more
};

struct StoreClientCounts {
  uint64_t pages_read = 0;
  uint64_t bytes_read = 0;
  uint64_t pages_written = 0;  // and taken, or there already
  uint64_t bytes_written = 0;
  uint64_t damaged = 0;      // pages whose digest did not hold
  uint64_t failures = 0;     // connections that failed, were cut or could not be made
  uint64_t connections = 0;  // ever made
};

class StoreClient {
 public:
  // `pool` and `clock` outlive it.
  StoreClient(boost::asio::any_io_executor executor, StoreClientOptions options, PoolMemory& pool,
              const Clock& clock, Log log, StoreClientEvents events);
  ~StoreClient();
  StoreClient(const StoreClient&) = delete;
  StoreClient& operator=(const StoreClient&) = delete;

  void look_up(StoreOrder order, std::vector<PageName> names);
  // Page by page, in order, into the pages of the pool, which belong to nobody else until the end.
  void read(StoreOrder order, std::vector<PageName> names, std::vector<PageId> into);
  // The order is not answered any more and writes into no page. Late: it has waited too long, so
  // the connection that serves it is cut.
  void forget(StoreOrder order, bool late);
  // The pages stay as they are until on_kept.
  void keep(std::vector<KeptPage> pages);

  const StoreClientCounts& counts() const;

 private:
  class Hub;
  class Channel;

  std::shared_ptr<Hub> hub_;
};

}  // namespace baton::kvcache
