#include "server/http/listener.h"

#include <gtest/gtest.h>

#include "tests/server/support/test_server.h"

namespace baton::server::http {
namespace {

using testing::HttpClient;
using testing::TestServer;
using testing::TestServerOptions;

TEST(Listener, takes_a_free_port_and_names_it) {
  TestServer server;
  EXPECT_NE(server.port, 0);
  EXPECT_EQ(server.client().get("/livez").status, 200);
}

TEST(Listener, a_taken_port_is_said_so) {
  TestServer server;
  Listener second(server.context.get_executor(), {}, server.clock, server.router, server.metrics,
                  Log());
  const auto listening = second.listen("127.0.0.1", server.port);
  ASSERT_FALSE(listening);
  EXPECT_NE(listening.error().message.find(std::to_string(server.port)), std::string::npos);
}

TEST(Listener, an_address_may_hold_only_so_many_connections) {
  TestServerOptions options;
  options.listener.connections_per_address_max = 2;
  TestServer server(options);
  HttpClient first = server.client();
  HttpClient second = server.client();
  EXPECT_EQ(first.get("/livez").status, 200);
  EXPECT_EQ(second.get("/livez").status, 200);
  HttpClient third = server.client();
  const auto refused = third.read();
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.fields.at("retry-after"), "1");
  EXPECT_EQ(refused.fields.at("retry-after-ms"), "1000");
  EXPECT_TRUE(refused.fields.contains("x-request-id"));
  EXPECT_EQ(refused.fields.at("connection"), "close");
  EXPECT_NE(refused.body.find(R"("code":"too_many_connections")"), std::string::npos);
  first.close();
  server.until([&] { return server.listener.connections() == 1; });
  EXPECT_EQ(server.client().get("/livez").status, 200);
}

TEST(Listener, a_drain_closes_idle_connections_and_lets_answers_end) {
  TestServer server;
  server.engine.hold = true;
  HttpClient idle = server.client();
  EXPECT_EQ(idle.get("/livez").status, 200);
  HttpClient busy = server.client();
  busy.send(
      "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 14\r\n\r\n"
      "{\"prompt\":\"a\"}");
  server.until([&] { return server.engine.running() == 1; });
  server.on_server([&] {
    server.router.drain();
    server.listener.drain();
  });
  EXPECT_TRUE(idle.ended());
  HttpClient late = server.client();
  const auto refused = late.post("/v1/completions", R"({"prompt":"a"})");
  EXPECT_EQ(refused.status, 503);
  EXPECT_TRUE(refused.fields.contains("retry-after"));
  EXPECT_EQ(refused.fields.at("connection"), "close");
  late.close();
  server.on_server([&] { server.engine.release(); });
  const auto answer = busy.read();
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.fields.at("connection"), "close");
  EXPECT_TRUE(busy.ended());
  busy.close();
  server.until([&] { return server.listener.busy_connections() == 0; });
  server.until([&] { return server.listener.connections() == 0; });
}

}  // namespace
}  // namespace baton::server::http
