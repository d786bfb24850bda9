// Channel: the bytes of one socket, as they are or inside TLS. Never blocks.
//
// read_some() and write_some() move what they can and give would_block where that is nothing; then
// the socket is to be waited for. A TLS channel may hold bytes on their way out that nobody has
// asked it to write (a handshake's): holds() says so, flush() tries to send them. What has been
// read from the socket has been decrypted: nothing waits inside while the socket is silent.
// Thread: the I/O thread.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <memory>
#include <span>
#include <string_view>

#include "server/http/tls.h"

namespace baton::server::http {

class Channel {
 public:
  // A TLS record holds so much at most; read_some() wants room for two.
  static constexpr size_t kReadBytesMin = size_t{2} * 16 * 1024 + 1024;

  explicit Channel(boost::asio::ip::tcp::socket socket) : socket_(std::move(socket)) {}
  virtual ~Channel() = default;
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  // eof: the peer has ended its side.
  virtual size_t read_some(std::span<char> into, boost::system::error_code& error) = 0;
  virtual size_t write_some(std::string_view bytes, boost::system::error_code& error) = 0;
  virtual void flush(boost::system::error_code& error) = 0;  // would_block: some is still here
  virtual bool holds() const = 0;
  virtual bool established() const = 0;  // any handshake is over
  virtual void end_writing() = 0;        // the peer sees a proper end

  boost::asio::ip::tcp::socket& socket() { return socket_; }

 protected:
  boost::asio::ip::tcp::socket socket_;
};

std::unique_ptr<Channel> plain_channel(boost::asio::ip::tcp::socket socket);
std::unique_ptr<Channel> tls_channel(boost::asio::ip::tcp::socket socket,
                                     std::shared_ptr<const TlsContext> context);

}  // namespace baton::server::http
