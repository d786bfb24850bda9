// A server of pages and its clients, in one process, on one io_context that is driven
// until something is true. Waiting has a guard; nothing sleeps.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include "kvcache/pool_memory.h"
#include "kvcache/store/store_server.h"
#include "kvcache/store/wire.h"
#include "kvcache/transport/host.h"
#include "tests/kvcache/store/pages.h"

namespace baton::kvcache {

namespace asio = boost::asio;
using asio::ip::tcp;

class StoreWorld : public ::testing::Test {
 protected:
  static constexpr PageFormat kFormat{3, 4};  // 768 bytes a page
  static constexpr uint32_t kPages = 24;

  void make_server(StoreServerOptions options = {}) {
    options.check_interval = 1ms;
    auto made = StoreServer::listen(io.get_executor(), options,
                                    *PageStore::open({1 << 20, std::nullopt}), clock);
    ASSERT_TRUE(made.has_value()) << made.error().message;
    server = std::move(*made);
    address = server->address();
  }

  // Runs the loop until `done`; fails after a minute of real time.
  template <class Done>
  void until(Done done) {
    const SystemClock real;
    const Instant guard = real.now() + 60s;
    while (!done()) {
      ASSERT_LT(real.now(), guard) << "waited in vain";
      io.restart();
      io.run_one_for(1ms);
    }
  }

  StoreStatus status() {
    std::optional<StoreStatus> said;
    server->ask_status([&](const StoreStatus& status) { said = status; });
    until([&] { return said.has_value(); });
    return *said;
  }

  static std::vector<PageName> names(uint32_t from, uint32_t to) {
    std::vector<PageName> out;
    for (uint32_t n = from; n < to; ++n) out.push_back(name_of(n));
    return out;
  }

  asio::io_context io;
  ManualClock clock;
  std::unique_ptr<StoreServer> server;
  std::string address;
};

}  // namespace baton::kvcache
