#include "server/http/connection.h"

#include <gtest/gtest.h>

#include "tests/server/support/test_server.h"

namespace baton::server::http {
namespace {

using testing::HttpAnswer;
using testing::HttpClient;
using testing::TestServer;
using testing::TestServerOptions;

const std::string kStream = R"({"prompt":"a","stream":true,"max_tokens":4000})";

TEST(Connection, serves_request_after_request_and_says_how_long_it_waits) {
  TestServer server;
  HttpClient client = server.client();
  for (int i = 0; i < 3; ++i) {
    const HttpAnswer answer = client.get("/livez");
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.fields.at("keep-alive"), "timeout=75");
  }
}

TEST(Connection, answers_pipelined_requests_in_order) {
  TestServer server;
  HttpClient client = server.client();
  client.send(
      "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 14\r\n\r\n{\"prompt\":\"a\"}"
      "GET /version HTTP/1.1\r\nHost: x\r\n\r\nGET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_NE(client.read().body.find("text_completion"), std::string::npos);
  EXPECT_NE(client.read().body.find("version"), std::string::npos);
  EXPECT_EQ(client.read().status, 404);
}

TEST(Connection, reads_chunked_bodies) {
  TestServer server;
  HttpClient client = server.client();
  client.send(
      "POST /tokenize HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
      "7\r\n{\"promp\r\n8\r\nt\":\"ab\"}\r\n0\r\n\r\n");
  EXPECT_EQ(client.read().body,
            R"({"count":3,"max_model_len":4096,"tokens":[256,97,98],"token_strs":null})");
}

TEST(Connection, tells_a_waiting_client_to_go_on) {
  TestServer server;
  HttpClient client = server.client();
  client.send(
      "POST /tokenize HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 14\r\n\r\n");
  EXPECT_EQ(client.head().status, 100);
  client.send(R"({"prompt":"a"})");
  EXPECT_EQ(client.read().status, 200);
}

TEST(Connection, refuses_a_waiting_client_before_it_sends_its_body) {
  TestServer server;
  HttpClient client = server.client();
  client.send("POST /no HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n");
  const HttpAnswer answer = client.read();
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(answer.fields.at("connection"), "close");
  EXPECT_TRUE(client.ended());
}

TEST(Connection, the_answer_to_HEAD_has_a_length_and_no_body) {
  TestServer server;
  HttpClient client = server.client();
  client.send("HEAD /health HTTP/1.1\r\nHost: x\r\n\r\nGET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(client.read(true).fields.at("content-length"), "18");
  EXPECT_EQ(client.read().body, R"({"status":"alive"})");
}

TEST(Connection, smuggling_shapes_end_the_connection_with_400) {
  TestServer server;
  for (const char* head :
       {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", "GET / HTTP/1.1\nHost: x\n\n"}) {
    HttpClient client = server.client();
    client.send(head);
    const HttpAnswer answer = client.read();
    EXPECT_EQ(answer.status, 400) << head;
    EXPECT_EQ(answer.fields.at("connection"), "close");
    EXPECT_TRUE(client.ended());
  }
  HttpClient client = server.client();
  client.send("POST /tokenize HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\n{}\n");
  EXPECT_EQ(client.read().status, 400);
  const std::string metrics = server.client().get("/metrics").body;
  EXPECT_NE(metrics.find("baton_http_malformed_total{kind=\"head\"} 4\n"), std::string::npos);
  EXPECT_NE(metrics.find("baton_http_malformed_total{kind=\"body\"} 1\n"), std::string::npos);
}

TEST(Connection, a_body_over_the_limit_is_413_and_the_client_can_read_it) {
  TestServerOptions options;
  options.listener.connection.read.body_bytes_max = 1000;
  TestServer server(options);
  HttpClient client = server.client();
  const HttpAnswer answer = client.post("/tokenize", std::string(100'000, 'a'));
  EXPECT_EQ(answer.status, 413);
  EXPECT_NE(answer.body.find("\"error\""), std::string::npos);
}

TEST(Connection, http_1_0_closes_unless_asked_otherwise) {
  TestServer server;
  HttpClient client = server.client();
  client.send("GET /livez HTTP/1.0\r\n\r\n");
  EXPECT_EQ(client.read().fields.at("connection"), "close");
  EXPECT_TRUE(client.ended());
}

TEST(Connection, an_http_1_0_stream_ends_with_the_connection) {
  TestServer server;
  HttpClient client = server.client();
  client.send("POST /v1/completions HTTP/1.0\r\nContent-Length: " + std::to_string(kStream.size()) +
              "\r\n\r\n" + kStream);
  const HttpAnswer answer = client.read();
  EXPECT_EQ(answer.fields.count("content-length"), 0u);
  EXPECT_EQ(answer.fields.count("transfer-encoding"), 0u);
  EXPECT_EQ(answer.fields.at("connection"), "close");
  EXPECT_NE(answer.body.find("data: [DONE]"), std::string::npos);
}

TEST(Connection, a_client_that_leaves_cancels_its_stream) {
  TestServer server;
  server.engine.hold = true;
  HttpClient client = server.client();
  client.send("POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: " +
              std::to_string(kStream.size()) + "\r\n\r\n" + kStream);
  server.until([&] { return server.engine.running() == 1; });
  server.on_server([&] { server.engine.push(testing::events_of("abc")); });
  EXPECT_EQ(client.head().status, 200);
  client.close();
  server.until([&] { return server.engine.cancelled == 1; });
  server.until([&] { return server.router.sessions() == 0; });
}

TEST(Connection, a_client_that_leaves_cancels_a_whole_answer_too) {
  TestServer server;
  server.engine.hold = true;
  HttpClient client = server.client();
  client.send(
      "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 14\r\n\r\n"
      "{\"prompt\":\"a\"}");
  server.until([&] { return server.engine.running() == 1; });
  client.close();
  server.until([&] { return server.engine.cancelled == 1; });
}

TEST(Connection, a_reader_that_does_not_read_is_cut_off) {
  TestServerOptions options;
  options.listener.connection.stream_buffer_bytes_max = 1000;
  TestServer server(options);
  server.engine.hold = true;
  HttpClient client = server.client();
  client.send("POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: " +
              std::to_string(kStream.size()) + "\r\n\r\n" + kStream);
  server.until([&] { return server.engine.running() == 1; });
  const auto tokens = testing::events_of(std::string(3000, 'a'));
  server.until([&] {
    auto open = tokens;
    open.back().finish.reset();
    server.engine.push(open);  // until the kernel's buffers are full, too
    return server.engine.cancelled == 1;
  });
  HttpAnswer answer = client.read();
  EXPECT_FALSE(answer.complete);  // no last chunk: the client knows
}

TEST(Connection, little_of_what_is_not_read_goes_to_the_kernel) {
  TestServerOptions options;
  options.listener.connection.stream_buffer_bytes_max = 100'000;
  TestServer server(options);
  server.engine.hold = true;
  HttpClient client = server.client(4096);  // of its own buffer
  client.send("POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: " +
              std::to_string(kStream.size()) + "\r\n\r\n" + kStream);
  server.until([&] { return server.engine.running() == 1; });
  auto tokens = testing::events_of("a");
  tokens.back().finish.reset();
  tokens[0].text = std::string(10'000, 'a');
  int pushed = 0;
  server.until([&] {
    server.engine.push(tokens);
    ++pushed;
    return server.engine.cancelled == 1;
  });
  EXPECT_LT(pushed, 60);  // 100 KB here, 64 KB unsent in the kernel, what is on its way, slack
}

TEST(Connection, a_stalled_write_is_cut_off_after_a_while) {
  TestServerOptions options;
  options.listener.connection.stream_buffer_bytes_max = 1 << 30;
  TestServer server(options);
  server.engine.hold = true;
  HttpClient client = server.client();
  client.send("POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: " +
              std::to_string(kStream.size()) + "\r\n\r\n" + kStream);
  server.until([&] { return server.engine.running() == 1; });
  auto tokens = testing::events_of(std::string(100, 'a'));
  tokens.back().finish.reset();
  tokens[0].text = std::string(1 << 20, 'a');
  // More than the kernel's buffers hold.
  for (int i = 0; i < 20; ++i) server.on_server([&] { server.engine.push(tokens); });
  server.advance(29s);
  EXPECT_EQ(server.engine.cancelled, 0);
  server.advance(2s);
  EXPECT_EQ(server.engine.cancelled, 1);
}

// Together far more than the kernel's buffers hold.
constexpr int kPages = 900;
const std::string kPage = "GET /console/style.css HTTP/1.1\r\nHost: x\r\n\r\n";

std::string pages() {
  std::string requests;
  for (int i = 0; i < kPages; ++i) requests += kPage;
  return requests;
}

TEST(Connection, answers_to_who_does_not_read_them_wait) {
  TestServer server;
  HttpClient client = server.client(4096);  // of its own buffer
  client.send(pages());
  auto& answered = server.metrics.counter("baton_http_requests_total", "Answered requests.",
                                          {{"path", "/console/style.css"}, {"status", "200"}});
  double before = 0, now = 0;
  server.until([&] {
    before = std::exchange(now, answered.Value());
    return now > 0 && now == before;  // it has stopped
  });
  EXPECT_LT(now, kPages / 2);
  for (int i = 0; i < kPages; ++i) ASSERT_EQ(client.read().status, 200) << i;
  EXPECT_EQ(client.get("/livez").status, 200);
}

TEST(Connection, nothing_follows_an_answer_that_was_the_last) {
  TestServer server;
  HttpClient client = server.client(4096);
  client.send(pages() + "GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" + kPage);
  client.send(kPage + "and what is no request\n\n");
  for (int i = 0; i < kPages; ++i) ASSERT_EQ(client.read().status, 200) << i;
  EXPECT_EQ(client.read().fields.at("connection"), "close");
  EXPECT_TRUE(client.ended());
}

TEST(Connection, what_is_no_request_is_refused_once) {
  TestServer server;
  HttpClient client = server.client(4096);
  client.send(pages() + "no request\n\n");
  for (int i = 0; i < kPages; ++i) {
    client.send("?");
    ASSERT_EQ(client.read().status, 200) << i;
  }
  EXPECT_EQ(client.read().status, 400);
  EXPECT_TRUE(client.ended());
}

TEST(Connection, a_slow_head_is_408) {
  TestServer server;
  HttpClient client = server.client();
  client.send("GET /livez HTT");
  server.until([&] { return server.listener.connections() == 1; });
  server.advance(9s);
  server.advance(2s);
  EXPECT_EQ(client.read().status, 408);
}

TEST(Connection, a_slow_body_is_408) {
  TestServer server;
  HttpClient client = server.client();
  client.send("POST /tokenize HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\nabc");
  server.until([&] { return server.listener.connections() == 1; });
  server.advance(5s);
  server.advance(2s);
  EXPECT_EQ(client.read().status, 408);
}

TEST(Connection, an_idle_one_is_closed_in_silence) {
  TestServer server;
  HttpClient client = server.client();
  client.get("/livez");
  server.advance(74s);
  EXPECT_EQ(client.get("/livez").status, 200);
  server.advance(76s);
  EXPECT_TRUE(client.ended());
}

TEST(Connection, a_silent_stream_is_kept_alive_by_comments) {
  TestServer server;
  server.engine.hold = true;
  HttpClient client = server.client();
  client.send("POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: " +
              std::to_string(kStream.size()) + "\r\n\r\n" + kStream);
  server.until([&] { return server.engine.running() == 1; });
  server.on_server([&] { server.engine.push({testing::events_of("ab").front()}); });
  EXPECT_EQ(client.head().status, 200);
  EXPECT_TRUE(client.chunk()->starts_with("data: "));
  server.advance(14s);
  server.advance(2s);
  EXPECT_EQ(client.chunk(), ": keep-alive\n\n");
  server.on_server([&] { server.engine.release(); });
  HttpAnswer rest;
  for (auto data = client.chunk(); data && !data->empty(); data = client.chunk()) {
    rest.body += *data;
  }
  EXPECT_TRUE(rest.body.ends_with("data: [DONE]\n\n"));
}

TEST(Connection, is_closed_after_a_number_of_requests) {
  TestServerOptions options;
  options.listener.connection.requests_max = 2;
  TestServer server(options);
  HttpClient client = server.client();
  EXPECT_EQ(client.get("/livez").fields.at("connection"), "keep-alive");
  EXPECT_EQ(client.get("/livez").fields.at("connection"), "close");
  EXPECT_TRUE(client.ended());
}

}  // namespace
}  // namespace baton::server::http
