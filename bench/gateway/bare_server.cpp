#include "bench/gateway/bare_server.h"

#include <fmt/format.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <memory>
#include <string>

#include "base/result.h"

namespace baton::bench {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

struct BareServer::Stream {
  explicit Stream(tcp::socket accepted) : socket(std::move(accepted)) {}

  bool say(Instant due) {
    fmt::format_to_n(event.begin() + static_cast<ptrdiff_t>(kNumberAt), kDigits, "{:0{}}",
                     due.time_since_epoch().count(), kDigits);
    return write(event) && (--left > 0 || !write("data: [DONE]\n\n"));
  }
  // A client that doesn't take it at once is none of this benchmark's: its stream ends.
  bool write(std::string_view bytes) {
    error_code error;
    return socket.write_some(asio::buffer(bytes), error) == bytes.size();
  }

  static constexpr std::string_view kBegin = "data: \"content\":\"";
  static constexpr size_t kNumberAt = kBegin.size(), kDigits = 19;

  tcp::socket socket;
  std::array<char, 4096> request;
  std::string event;
  uint32_t left = 0;
};

BareServer::BareServer(asio::io_context& io, const Clock& clock, uint32_t tokens_per_s,
                       size_t event_bytes, uint32_t tokens)
    : acceptor_(io, tcp::endpoint(asio::ip::make_address("127.0.0.1"), 0)),
      source_(io, clock, tokens_per_s),
      event_bytes_(event_bytes),
      tokens_(tokens) {
  check(event_bytes_ >= kEventBytesMin, "an event has room for its number");
  acceptor_.listen(4096);
  accept();
}

void BareServer::accept() {
  acceptor_.async_accept([this](error_code error, tcp::socket socket) {
    if (error) return;
    auto stream = std::make_shared<Stream>(std::move(socket));
    error_code ignored;
    stream->socket.non_blocking(true, ignored);
    stream->socket.set_option(tcp::no_delay(true), ignored);
    stream->left = tokens_;
    stream->event = Stream::kBegin;
    stream->event.append(Stream::kDigits, '0');
    stream->event += "\",\"pad\":\"";
    stream->event.resize(event_bytes_ - 3, '.');
    stream->event += "\"\n\n";
    stream->socket.async_read_some(
        asio::buffer(stream->request), [this, stream](auto failed, auto) {
          if (!failed) source_.add([stream](Instant due) { return stream->say(due); });
        });
    accept();
  });
}

}  // namespace baton::bench
