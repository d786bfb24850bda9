#include "deploy/http_probe.h"

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>

#include "kvcache/transport/host.h"

namespace baton::deploy {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

constexpr auto kPatience = std::chrono::seconds(1);
constexpr std::string_view kOk = "HTTP/1.1 200";

// Over a socket, or over TLS on one.
template <class Stream, class Prepare>
bool ask(asio::io_context& io, const asio::ip::tcp::resolver::results_type& found, Stream& stream,
         asio::ip::tcp::socket& socket, const std::string& request, Prepare prepare) {
  std::string answer(kOk.size(), '\0');
  bool ok = false;
  const auto on_read = [&](auto failed, size_t) { ok = !failed && answer == kOk; };
  const auto on_written = [&](auto failed, size_t) {
    if (!failed) asio::async_read(stream, asio::buffer(answer), on_read);
  };
  const auto on_prepared = [&](auto failed) {
    if (!failed) asio::async_write(stream, asio::buffer(request), on_written);
  };
  asio::async_connect(socket, found, [&](auto failed, const auto&) {
    if (!failed) prepare(on_prepared);
  });
  io.run_for(kPatience);
  return ok;
}

}  // namespace

// Asynchronous, since a blocking read of Asio's waits on after a socket's own time limit.
bool answers_200(const std::string& address, const std::string& path, bool tls) {
  const auto endpoint = kvcache::parse_endpoint(address);
  if (!endpoint) return false;
  asio::io_context io;
  boost::system::error_code error;
  asio::ip::tcp::resolver resolver(io);
  // A server that listens on every address is asked on loopback.
  const std::string host = endpoint->host == "0.0.0.0" ? "127.0.0.1" : endpoint->host;
  const auto found = resolver.resolve(host, endpoint->port, error);
  if (error) return false;
  const std::string request =
      "GET " + path + " HTTP/1.1\r\nHost: " + address + "\r\nConnection: close\r\n\r\n";
  if (!tls) {
    asio::ip::tcp::socket socket(io);
    return ask(io, found, socket, socket, request, [](const auto& done) { done(error_code()); });
  }
  asio::ssl::context context(asio::ssl::context::tls_client);
  context.set_verify_mode(asio::ssl::verify_none);
  asio::ssl::stream<asio::ip::tcp::socket> stream(io, context);
  return ask(io, found, stream, stream.next_layer(), request, [&](const auto& done) {
    stream.async_handshake(asio::ssl::stream_base::client, done);
  });
}

}  // namespace baton::deploy
