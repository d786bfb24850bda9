#include "server/http/request_reader.h"

#include <gtest/gtest.h>

namespace baton::server::http {
namespace {

const std::string kPost =
    "POST /v1/x?q=1 HTTP/1.1\r\nHost: x\r\nX-Thing: a b\r\nContent-Length: 5\r\n\r\nhello";
const std::string kChunked =
    "POST /y HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    "3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\nTrailer: t\r\n\r\n";

TEST(RequestReader, reads_a_request_with_a_length) {
  RequestReader reader({});
  EXPECT_EQ(reader.feed(kPost), Reading::complete);
  const Request request = reader.take();
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.path, "/v1/x");
  EXPECT_EQ(request.query, "q=1");
  EXPECT_EQ(find(request.fields, "x-thing"), "a b");
  EXPECT_EQ(request.body, "hello");
  EXPECT_TRUE(request.keep_alive);
  EXPECT_EQ(reader.state(), Reading::head);
}

TEST(RequestReader, any_split_of_the_bytes_gives_the_same_requests) {
  const std::string stream = kPost + "\r\n" + kChunked + "GET /z HTTP/1.0\r\n\r\n";
  for (size_t step = 1; step < stream.size(); ++step) {
    RequestReader reader({});
    std::vector<Request> requests;
    for (size_t at = 0; at < stream.size(); at += step) {
      reader.feed(std::string_view(stream).substr(at, step));
      while (reader.state() == Reading::complete) requests.push_back(reader.take());
    }
    ASSERT_EQ(requests.size(), 3u) << step;
    EXPECT_EQ(requests[0].body, "hello");
    EXPECT_EQ(requests[1].body, "abcde");
    EXPECT_EQ(requests[2].path, "/z");
    EXPECT_FALSE(requests[2].keep_alive);
    EXPECT_TRUE(requests[2].http_1_0);
  }
}

TEST(RequestReader, trailers_are_no_fields) {
  RequestReader reader({});
  reader.feed(kChunked);
  EXPECT_EQ(find(reader.take().fields, "trailer"), "");
}

TEST(RequestReader, a_body_over_the_limit_is_refused_with_413) {
  RequestReader by_length({.body_bytes_max = 4});
  EXPECT_EQ(by_length.feed(kPost.substr(0, kPost.size() - 5)), Reading::failed);
  EXPECT_EQ(by_length.refusal().status, 413);
  RequestReader by_chunks({.body_bytes_max = 4});
  EXPECT_EQ(by_chunks.feed(kChunked), Reading::failed);
  EXPECT_EQ(by_chunks.refusal().status, 413);
}

TEST(RequestReader, chunk_lines_without_a_carriage_return_are_refused) {
  const std::string head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const char* body : {"2\nab\n0\n\n", "\n", "2;x\n"}) {
    RequestReader reader({});
    EXPECT_EQ(reader.feed(head + body), Reading::failed) << body;
    EXPECT_EQ(reader.refusal().status, 400);
  }
  RequestReader slow({});
  slow.feed(head + "2\r");
  EXPECT_EQ(slow.feed("\nab\r\n0\r\n\r\n"), Reading::complete);
  EXPECT_EQ(slow.take().body, "ab");
}

TEST(RequestReader, broken_chunks_are_refused) {
  for (const char* body :
       {"zz\r\n", "3\nabc\r\n", "3\r\nabcd\r\n", "-1\r\n", "ffffffffffffffffff\r\n"}) {
    RequestReader reader({});
    reader.feed("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    reader.feed(body);
    reader.feed("\r\n\r\n");
    EXPECT_EQ(reader.state(), Reading::failed) << body;
  }
}

TEST(RequestReader, an_endless_trailer_is_refused) {
  RequestReader reader({});
  reader.feed("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n");
  for (int i = 0; i < 100 && reader.state() != Reading::failed; ++i) {
    reader.feed("A: " + std::string(1000, 'a') + "\r\n");
  }
  EXPECT_EQ(reader.state(), Reading::failed);
}

TEST(RequestReader, knows_when_the_client_waits_for_a_go) {
  RequestReader reader({});
  reader.feed("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(reader.state(), Reading::body);
  EXPECT_TRUE(reader.expects_continue());
  reader.feed("ab");
  EXPECT_FALSE(reader.expects_continue());
}

TEST(RequestReader, an_upgrade_is_read_as_an_ordinary_request) {
  RequestReader reader({});
  reader.feed(
      "POST / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
      "HTTP2-Settings: AA\r\nContent-Length: 2\r\n\r\nok");
  ASSERT_EQ(reader.state(), Reading::complete);
  EXPECT_EQ(reader.take().body, "ok");
}

TEST(RequestReader, garbage_is_refused) {
  for (const char* bytes :
       {"\x16\x03\x01\x02\x01\r\n\r\n", "GET\r\n\r\n", "G@T / HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET  HTTP/1.1\r\nHost: x\r\n\r\n", "PRI * HTTP/2.0\r\n\r\n"}) {
    RequestReader reader({});
    EXPECT_EQ(reader.feed(bytes), Reading::failed) << bytes;
    EXPECT_EQ(reader.refusal().status, 400);
  }
}

}  // namespace
}  // namespace baton::server::http
