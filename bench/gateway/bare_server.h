// BareServer: what the gateway is compared with: a server that takes any bytes for a request and
// answers with a stream of the same events, made beforehand, from the same source.
//
// It knows no HTTP, JSON, model or limit; an event is a copy with a number in it and one write. So
// what it takes, and how late its tokens are, is the machine's, its kernel's and the client's part.
// Thread: the I/O thread.
#pragma once

#include <boost/asio/ip/tcp.hpp>

#include "bench/gateway/timed_source.h"

namespace baton::bench {

class BareServer {
 public:
  // event_bytes: of each token on the wire, at least kEventBytesMin; tokens: of each stream.
  BareServer(boost::asio::io_context& io, const Clock& clock, uint32_t tokens_per_s,
             size_t event_bytes, uint32_t tokens);
  static constexpr size_t kEventBytesMin = 64;

  uint16_t port() const { return acceptor_.local_endpoint().port(); }

 private:
  struct Stream;
  void accept();

  boost::asio::ip::tcp::acceptor acceptor_;
  TimedSource source_;
  const size_t event_bytes_;
  const uint32_t tokens_;
};

}  // namespace baton::bench
