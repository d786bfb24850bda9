#include "server/http/channel.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <array>
#include <boost/asio/buffer.hpp>

namespace baton::server::http {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

class PlainChannel final : public Channel {
 public:
  using Channel::Channel;
  size_t read_some(std::span<char> into, error_code& error) override {
    return socket_.read_some(asio::buffer(into.data(), into.size()), error);
  }
  size_t write_some(std::string_view bytes, error_code& error) override {
    return socket_.write_some(asio::buffer(bytes), error);
  }
  void flush(error_code& error) override { error = {}; }
  bool holds() const override { return false; }
  bool established() const override { return true; }
  void end_writing() override {
    error_code ignored;
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
  }
};

// OpenSSL works on two buffers in memory; the socket is read and written here, so that a peer that
// is gone is an error and not a signal.
class TlsChannel final : public Channel {
 public:
  TlsChannel(tcp::socket socket, std::shared_ptr<const TlsContext> context)
      : Channel(std::move(socket)), context_(std::move(context)), ssl_(SSL_new(context_->get())) {
    check(ssl_ != nullptr, "OpenSSL has memory for a connection");
    in_ = BIO_new(BIO_s_mem());
    out_ = BIO_new(BIO_s_mem());
    check(in_ != nullptr && out_ != nullptr, "OpenSSL has memory for a connection");
    SSL_set_bio(ssl_.get(), in_, out_);  // which owns them now
    SSL_set_accept_state(ssl_.get());
  }

  size_t read_some(std::span<char> into, error_code& error) override;
  size_t write_some(std::string_view bytes, error_code& error) override;
  void flush(error_code& error) override;
  bool holds() const override { return sent_ < wire_.size() || BIO_ctrl_pending(out_) > 0; }
  bool established() const override { return SSL_is_init_finished(ssl_.get()) == 1; }
  void end_writing() override;

 private:
  struct Free {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };
  static constexpr size_t kWireBytes = size_t{16} * 1024;
  static constexpr size_t kWriteBytesMax = size_t{64} * 1024;

  bool receive(error_code& error);

  std::shared_ptr<const TlsContext> context_;
  std::unique_ptr<SSL, Free> ssl_;
  BIO* in_ = nullptr;
  BIO* out_ = nullptr;
  std::string wire_;  // encrypted, on its way out
  size_t sent_ = 0;   // of wire_
};

// Some bytes from the socket to OpenSSL.
bool TlsChannel::receive(error_code& error) {
  std::array<char, kWireBytes> bytes;
  const size_t n = socket_.read_some(asio::buffer(bytes), error);
  if (error) return false;
  BIO_write(in_, bytes.data(), static_cast<int>(n));
  return true;
}

size_t TlsChannel::read_some(std::span<char> into, error_code& error) {
  check(into.size() >= kReadBytesMin, "there is room for all that a read can bring");
  error = {};
  size_t got = 0;
  for (;;) {
    ERR_clear_error();
    const int n = SSL_read(ssl_.get(), into.data() + got, static_cast<int>(into.size() - got));
    if (n > 0) {
      got += static_cast<size_t>(n);
      continue;
    }
    const int what = SSL_get_error(ssl_.get(), n);
    error_code ignored;
    flush(ignored);  // a handshake's answer, or why it failed
    if (got > 0) return got;
    if (what == SSL_ERROR_ZERO_RETURN) {
      error = asio::error::eof;
      return 0;
    }
    if (what != SSL_ERROR_WANT_READ) {
      error = asio::error::connection_aborted;
      return 0;
    }
    if (!receive(error)) return 0;
  }
}

size_t TlsChannel::write_some(std::string_view bytes, error_code& error) {
  flush(error);
  if (error || bytes.empty()) return 0;  // what is encrypted goes out first: memory stays bounded
  const size_t length = std::min(bytes.size(), kWriteBytesMax);
  ERR_clear_error();
  const int n = SSL_write(ssl_.get(), bytes.data(), static_cast<int>(length));
  if (n <= 0) {
    error = SSL_get_error(ssl_.get(), n) == SSL_ERROR_WANT_READ
                ? error_code(asio::error::would_block)
                : error_code(asio::error::connection_aborted);
    return 0;
  }
  flush(error);
  if (error == asio::error::would_block) error = {};  // it is ours to send now
  return static_cast<size_t>(n);
}

void TlsChannel::flush(error_code& error) {
  error = {};
  if (const size_t pending = BIO_ctrl_pending(out_); pending > 0) {
    const size_t before = wire_.size();
    wire_.resize(before + pending);
    BIO_read(out_, wire_.data() + before, static_cast<int>(pending));
  }
  while (sent_ < wire_.size()) {
    sent_ += socket_.write_some(asio::buffer(wire_.data() + sent_, wire_.size() - sent_), error);
    if (error) return;
  }
  wire_.clear();
  sent_ = 0;
}

void TlsChannel::end_writing() {
  error_code ignored;
  if (established()) SSL_shutdown(ssl_.get());
  flush(ignored);
  socket_.shutdown(tcp::socket::shutdown_send, ignored);
}

}  // namespace

std::unique_ptr<Channel> plain_channel(tcp::socket socket) {
  return std::make_unique<PlainChannel>(std::move(socket));
}

std::unique_ptr<Channel> tls_channel(tcp::socket socket,
                                     std::shared_ptr<const TlsContext> context) {
  return std::make_unique<TlsChannel>(std::move(socket), std::move(context));
}

}  // namespace baton::server::http
