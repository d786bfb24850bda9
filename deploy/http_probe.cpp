#include "deploy/http_probe.h"

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include "kvcache/transport/host.h"

namespace baton::deploy {

namespace asio = boost::asio;

namespace {

constexpr auto kPatience = std::chrono::seconds(1);

}  // namespace

// Asynchronous, since a blocking read of Asio's waits on after a socket's own time limit.
bool answers_200(const std::string& address, const std::string& path) {
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
  constexpr std::string_view kOk = "HTTP/1.1 200";
  std::string answer(kOk.size(), '\0');
  bool ok = false;
  asio::ip::tcp::socket socket(io);
  const auto on_read = [&](auto failed, size_t) { ok = !failed && answer == kOk; };
  const auto on_written = [&](auto failed, size_t) {
    if (!failed) asio::async_read(socket, asio::buffer(answer), on_read);
  };
  asio::async_connect(socket, found, [&](auto failed, const auto&) {
    if (!failed) asio::async_write(socket, asio::buffer(request), on_written);
  });
  io.run_for(kPatience);
  return ok;
}

}  // namespace baton::deploy
