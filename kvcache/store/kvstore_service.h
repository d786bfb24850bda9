// KvstoreService: the shell of `baton-kvstore`: the server of pages and its place in the cluster.
//
// It tells the scheduler that it lives and what it has counted, and needs nothing from it: while
// the scheduler is away pages come and go as before. A store whose thread hangs in the disk tells
// nothing, and is seen to be late. Thread safety: one executor.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/observe/log.h"
#include "base/observe/metrics.h"
#include "kvcache/store/store_server.h"
#include "proto/link.h"
#include "scheduler/member.h"

namespace baton::kvcache {

struct KvstoreOptions {
  std::string name = "kvstore-0";
  std::string scheduler;  // host:port; empty: nobody is told
  StoreServerOptions server;
  PageStoreOptions store;
  Duration beat_interval = 500ms;
};

class KvstoreService {
 public:
  // Opens the store (its disk is read through) and listens. `connector` and `clock` outlive it.
  static Result<std::unique_ptr<KvstoreService>> start(boost::asio::any_io_executor executor,
                                                       const Clock& clock, Log log,
                                                       const KvstoreOptions& options,
                                                       rpc::Connector& connector,
                                                       std::function<void()> fenced);

  const std::string& address() const { return server_->address(); }
  void stop() { server_->stop(); }

 private:
  KvstoreService(boost::asio::any_io_executor executor, Log log, const KvstoreOptions& options,
                 std::unique_ptr<StoreServer> server, rpc::Connector& connector,
                 std::function<void()> fenced);
  void beat_later();
  void beat(const StoreStatus& status);

  Log log_;
  const KvstoreOptions options_;
  std::unique_ptr<StoreServer> server_;
  boost::asio::steady_timer timer_;
  std::optional<scheduler::Member> member_;
};

MetricsSnapshot store_metrics(const StoreStatus& status, const StoreServerCounts& server);

}  // namespace baton::kvcache
