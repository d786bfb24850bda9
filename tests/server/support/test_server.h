// TestServer: the whole HTTP surface on a loopback port, over a FakeEngine, on a thread of its own.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <future>
#include <thread>

#include "server/http/listener.h"
#include "server/routes/router.h"
#include "tests/server/support/fake_engine.h"
#include "tests/server/support/http_client.h"

namespace baton::testing {

struct TestServerOptions {
  server::http::ListenerLimits listener;
  server::GenerateLimits generate;
  server::RouterOptions router;
  server::ApiKeys keys;
};

class TestServer {
 public:
  explicit TestServer(TestServerOptions options = {})
      : keys(options.keys),
        work(context.get_executor(), 1, 4),
        serving(metrics, "fake"),
        engine(context.get_executor()),
        router({context.get_executor(), model, engine, clock, work, serving,
                [this] { return ++drawn_; }, options.generate},
               keys, metrics, Log(), options.router),
        listener(context.get_executor(), fast(options.listener), clock, router, metrics, Log()) {
    const auto listening = listener.listen("127.0.0.1", 0);
    EXPECT_TRUE(listening) << listening.error().message;
    port = listener.port();
    thread_ = std::thread([this] { context.run(); });
  }
  ~TestServer() {
    context.stop();
    thread_.join();
  }

  // Runs `task` on the server's thread and waits for it.
  void on_server(std::function<void()> task) {
    std::promise<void> done;
    boost::asio::post(context, [&] {
      task();
      done.set_value();
    });
    done.get_future().wait();
  }
  void advance(Duration by) {
    on_server([&] {
      clock.advance(by);
      listener.sweep();
    });
  }
  HttpClient client(int receive_buffer = 0) { return HttpClient(port, receive_buffer); }

  // Spins the server until `done` says so on its thread.
  template <class Done>
  void until(Done done) {
    for (bool finished = false; !finished;) on_server([&] { finished = done(); });
  }

  boost::asio::io_context context{1};
  ManualClock clock;
  Metrics metrics;
  server::ApiKeys keys;
  FakeModel model;
  server::WorkQueue work;
  server::ServingMetrics serving;
  FakeEngine engine;
  server::Router router;
  server::http::Listener listener;
  uint16_t port = 0;

 private:
  // Sweeps come by hand: time is the test's.
  static server::http::ListenerLimits fast(server::http::ListenerLimits limits) {
    limits.sweep_interval = 3600s;
    return limits;
  }
  uint64_t drawn_ = 0;
  std::thread thread_;
};

}  // namespace baton::testing
