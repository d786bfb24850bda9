#include "server/client/http_stream.h"

#include <gtest/gtest.h>

#include "tests/server/support/test_server.h"

namespace baton::server::client {
namespace {

TEST(HttpStream, urls_have_a_host_a_port_and_perhaps_a_prefix) {
  const auto url = Url::parse("http://example:8080/api/");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->host, "example");
  EXPECT_EQ(url->port, "8080");
  EXPECT_EQ(url->prefix, "/api");
  EXPECT_EQ(Url::parse("http://h")->port, "80");
  EXPECT_EQ(Url::parse("http://[::1]:9")->host, "::1");
  EXPECT_FALSE(url->tls);
  EXPECT_TRUE(Url::parse("https://h")->tls);
  EXPECT_EQ(Url::parse("https://h")->port, "443");
  for (const char* bad : {"ftp://h", "h:80", "https://", "http://", "http://h:x", "http://h:"}) {
    EXPECT_FALSE(Url::parse(bad)) << bad;
  }
}

Server at(uint16_t port) { return *Server::find({"127.0.0.1", std::to_string(port), ""}); }

TEST(HttpStream, gives_the_body_in_pieces_and_knows_its_end) {
  testing::TestServer server;
  std::string body;
  const auto outcome =
      post_stream(at(server.port), {"/v1/completions", R"({"prompt":"a","stream":true})", ""},
                  [&](int, std::string_view piece) { body += piece; });
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_EQ(outcome->status, 200);
  EXPECT_TRUE(outcome->complete);
  EXPECT_TRUE(body.ends_with("data: [DONE]\n\n"));
}

TEST(HttpStream, an_error_has_its_status_and_body) {
  testing::TestServer server;
  std::string body;
  const auto outcome = post_stream(at(server.port), {"/v1/completions", "{}", ""},
                                   [&](int, std::string_view piece) { body += piece; });
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->status, 400);
  EXPECT_NE(body.find("prompt"), std::string::npos);
}

TEST(HttpStream, a_file_without_certificates_is_refused) {
  const auto server = Server::find({"127.0.0.1", "1", "", true}, "/dev/null");
  ASSERT_FALSE(server);
  EXPECT_NE(server.error().message.find("/dev/null holds no certificates"), std::string::npos);
}

TEST(HttpStream, a_server_without_tls_is_said_so) {
  testing::TestServer server;
  const auto plain = *Server::find({"127.0.0.1", std::to_string(server.port), "", true});
  const auto outcome = post_stream(plain, {"/", "", ""}, [](int, auto) {});
  ASSERT_FALSE(outcome);
  EXPECT_NE(outcome.error().message.find("does not speak TLS"), std::string::npos);
}

TEST(HttpStream, no_server_is_said_so) {
  uint16_t port = 0;
  {
    testing::TestServer server;
    port = server.port;
  }
  const auto outcome = post_stream(at(port), {"/", "", ""}, [](int, auto) {});
  ASSERT_FALSE(outcome);
  EXPECT_NE(outcome.error().message.find("is it running?"), std::string::npos);
}

}  // namespace
}  // namespace baton::server::client
