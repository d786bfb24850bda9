#include "server/http/channel.h"

#include <gtest/gtest.h>

#include <boost/asio/read_until.hpp>
#include <boost/asio/ssl.hpp>

#include "tests/server/support/certificate.h"
#include "tests/server/support/test_server.h"

namespace baton::server::http {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using testing::SelfMade;
using testing::TestServer;

// A client that waits, over TLS.
class TlsClient {
 public:
  explicit TlsClient(uint16_t port, int version_max = 0) : stream_(io_, context_) {
    if (version_max != 0) SSL_set_max_proto_version(stream_.native_handle(), version_max);
    static constexpr unsigned char kOffered[] = "\x02h2\x08http/1.1";
    SSL_set_alpn_protos(stream_.native_handle(), kOffered, sizeof kOffered - 1);
    stream_.next_layer().connect({asio::ip::make_address("127.0.0.1"), port});
    stream_.handshake(asio::ssl::stream_base::client, failed);
  }
  void send(std::string_view bytes) { asio::write(stream_, asio::buffer(bytes)); }
  // Up to and with `end`.
  std::string read_until(std::string_view end) {
    error_code error;
    const size_t n =
        asio::read_until(stream_, asio::dynamic_buffer(input_), std::string(end), error);
    if (error) failed = error;
    std::string taken = input_.substr(0, n);
    input_.erase(0, n);
    return taken;
  }
  std::string subject() {
    X509* x509 = SSL_get1_peer_certificate(stream_.native_handle());
    char name[64] = "";
    X509_NAME_get_text_by_NID(X509_get_subject_name(x509), NID_commonName, name, sizeof name);
    X509_free(x509);
    return name;
  }
  std::string protocol() {
    const unsigned char* name = nullptr;
    unsigned length = 0;
    SSL_get0_alpn_selected(stream_.native_handle(), &name, &length);
    return {reinterpret_cast<const char*>(name), length};
  }

  error_code failed;

 private:
  asio::io_context io_;
  asio::ssl::context context_{asio::ssl::context::tls_client};
  asio::ssl::stream<asio::ip::tcp::socket> stream_;
  std::string input_;
};

struct ChannelTest : ::testing::Test {
  ChannelTest() { secure(made); }
  void secure(const SelfMade& certificate) {
    server.on_server([&] {
      server.listener.secure(
          TlsContext::load(certificate.certificate(), certificate.key()).value());
    });
  }
  SelfMade made;
  TestServer server;
};

TEST_F(ChannelTest, requests_are_served_over_tls_one_after_the_other) {
  TlsClient client(server.port);
  ASSERT_FALSE(client.failed) << client.failed.message();
  EXPECT_EQ(client.protocol(), "http/1.1");
  for (int i = 0; i < 3; ++i) {
    client.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_TRUE(client.read_until("alive\"}").starts_with("HTTP/1.1 200 "));
  }
}

TEST_F(ChannelTest, big_bodies_and_long_streams_come_whole) {
  TlsClient client(server.port);
  const std::string text(100'000, 'a');
  const std::string body = R"({"prompt":")" + text + R"("})";
  client.send("POST /tokenize HTTP/1.1\r\nHost: x\r\nContent-Length: " +
              std::to_string(body.size()) + "\r\n\r\n" + body);
  EXPECT_NE(client.read_until("null}").find("\"count\":100001"), std::string::npos);
  server.on_server([&] { server.engine.answer = std::string(3000, 'b'); });
  const std::string ask = R"({"prompt":"a","stream":true,"max_tokens":3000})";
  client.send("POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: " +
              std::to_string(ask.size()) + "\r\n\r\n" + ask);
  const std::string answer = client.read_until("data: [DONE]\n\n\r\n0\r\n\r\n");
  EXPECT_EQ(std::count(answer.begin(), answer.end(), '\n') > 6000, true) << answer.size();
}

TEST_F(ChannelTest, an_end_is_told_properly) {
  TlsClient client(server.port);
  client.send("GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  client.read_until("alive\"}");
  EXPECT_FALSE(client.failed);
  client.read_until("never");
  EXPECT_EQ(client.failed, asio::error::eof) << "close_notify came, not a cut";
}

TEST_F(ChannelTest, old_protocols_and_plain_http_get_nothing) {
  EXPECT_TRUE(TlsClient(server.port, TLS1_1_VERSION).failed);
  EXPECT_FALSE(TlsClient(server.port, TLS1_2_VERSION).failed);
  auto plain = server.client();
  plain.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
  std::string all = plain.exactly(1000);  // an alert, then the end
  EXPECT_EQ(all.find("HTTP"), std::string::npos);
}

TEST_F(ChannelTest, a_handshake_that_never_comes_is_cut_off) {
  auto silent = server.client();
  server.until([&] { return server.listener.connections() == 1; });
  server.advance(5s);
  EXPECT_EQ(server.listener.connections(), 1u);
  server.advance(6s);
  EXPECT_TRUE(silent.ended());
}

TEST_F(ChannelTest, another_certificate_is_for_connections_that_come_after) {
  TlsClient before(server.port);
  EXPECT_EQ(before.subject(), "localhost");
  const SelfMade other("elsewhere");
  secure(other);
  EXPECT_EQ(TlsClient(server.port).subject(), "elsewhere");
  before.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(before.read_until("alive\"}").starts_with("HTTP/1.1 200 "));
}

}  // namespace
}  // namespace baton::server::http
