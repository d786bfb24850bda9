#include "deploy/http_probe.h"

#include <sys/time.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include "kvcache/transport/host.h"

namespace baton::deploy {

namespace asio = boost::asio;

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
  asio::ip::tcp::socket socket(io);
  asio::connect(socket, found, error);
  if (error) return false;
  const timeval patience{.tv_sec = 1, .tv_usec = 0};
  ::setsockopt(socket.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  const std::string request =
      "GET " + path + " HTTP/1.1\r\nHost: " + address + "\r\nConnection: close\r\n\r\n";
  asio::write(socket, asio::buffer(request), error);
  if (error) return false;
  constexpr std::string_view kOk = "HTTP/1.1 200";
  std::string answer(kOk.size(), '\0');
  asio::read(socket, asio::buffer(answer), error);
  return !error && answer == kOk;
}

}  // namespace baton::deploy
