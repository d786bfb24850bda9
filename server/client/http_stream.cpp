#include "server/client/http_stream.h"

#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <csignal>
#include <optional>
#include <utility>

namespace baton::server::client {

namespace asio = boost::asio;
namespace beast = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr std::chrono::seconds kConnectMax{10};  // and for TLS to agree on a secret

Error no_server(const Url& url, const error_code& error) {
  return fail(ErrorCode::unavailable, "No server answers at {}:{} ({}); is it running?", url.host,
              url.port, error.message());
}

// The certificate must be for this name or address; a server with several is told the name.
void demand_host(SSL* ssl, const std::string& host) {
  error_code no_address;
  asio::ip::make_address(host, no_address);
  if (!no_address) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str());
  } else {
    SSL_set1_host(ssl, host.c_str());
    SSL_set_tlsext_host_name(ssl, host.c_str());
  }
}

Result<std::shared_ptr<asio::ssl::context>> trusting(const std::string& ca_file) {
  auto tls = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_client);
  error_code error;
  tls->set_options(asio::ssl::context::no_tlsv1 | asio::ssl::context::no_tlsv1_1, error);
  tls->set_verify_mode(asio::ssl::verify_peer, error);
  tls->set_default_verify_paths(error);
  if (ca_file.empty()) return tls;
  tls->load_verify_file(ca_file, error);
  if (!error) return tls;
  return fail(ErrorCode::invalid_argument, "{} holds no certificates in PEM form ({}).", ca_file,
              error.message());
}

}  // namespace

Result<Url> Url::parse(std::string_view text) {
  static constexpr std::string_view kPlain = "http://", kTls = "https://";
  Url url;
  url.tls = text.starts_with(kTls);
  if (!url.tls && !text.starts_with(kPlain)) {
    return fail(ErrorCode::invalid_argument, "The URL \"{}\" must begin with {} or {}.", text,
                kPlain, kTls);
  }
  const std::string_view rest = text.substr((url.tls ? kTls : kPlain).size());
  const size_t slash = std::min(rest.find('/'), rest.size());
  const std::string_view authority = rest.substr(0, slash);
  url.prefix = rest.substr(slash);
  while (url.prefix.ends_with('/')) url.prefix.pop_back();
  const size_t colon = authority.rfind(':');
  const bool has_port = colon != std::string_view::npos && !authority.ends_with(']');
  url.host = has_port ? authority.substr(0, colon) : authority;
  url.port = has_port ? authority.substr(colon + 1) : url.tls ? "443" : "80";
  if (url.host.starts_with('[') && url.host.ends_with(']')) {
    url.host = url.host.substr(1, url.host.size() - 2);
  }
  const bool digits = url.port.find_first_not_of("0123456789") == std::string::npos;
  if (url.host.empty() || url.port.empty() || !digits) {
    return fail(ErrorCode::invalid_argument, "The URL \"{}\" must be {}HOST:PORT.", text,
                url.tls ? kTls : kPlain);
  }
  return url;
}

Result<Server> Server::find(const Url& url, const std::string& ca_file) {
  asio::io_context context(1);
  tcp::resolver resolver(context);
  error_code error;
  Server server{.url = url};
  if (url.tls) {
    BATON_TRY(tls, trusting(ca_file));
    server.tls = std::move(tls);
  }
  server.addresses = resolver.resolve(url.host, url.port, error);
  if (error) return no_server(url, error);
  return server;
}

class HttpStream::Exchange : public std::enable_shared_from_this<HttpStream::Exchange> {
 public:
  Exchange(asio::any_io_executor executor, const Server& server, OnBody on_body, OnEnd on_end)
      : server_(server),
        on_body_(std::move(on_body)),
        on_end_(std::move(on_end)),
        socket_(executor),
        patience_(std::move(executor)) {
    parser_.body_limit(boost::none);
    parser_.eager(true);
  }

  void run(std::string request) {
    request_ = std::move(request);
    patience_.expires_after(kConnectMax);
    patience_.async_wait([self = shared_from_this()](error_code cancelled) {
      if (!cancelled) self->too_slow();
    });
    asio::async_connect(socket_, server_.addresses,
                        [self = shared_from_this()](error_code error, const tcp::endpoint&) {
                          self->connected(error);
                        });
  }

  void stop() {
    if (!on_end_) return;
    outcome_.interrupted = true;
    close();
  }

  void forget() {
    on_body_ = nullptr;
    on_end_ = nullptr;
    close();
  }

 private:
  void close() {
    patience_.cancel();
    error_code ignored;
    socket_.close(ignored);
  }

  void too_slow() {
    if (!on_end_) return;
    slow_ = true;
    close();
  }

  void connected(error_code error) {
    if (outcome_.interrupted) return end(outcome_);
    if (slow_) return end(no_answer());
    if (error) return end(no_server(server_.url, error));
    error_code ignored;
    socket_.set_option(tcp::no_delay(true), ignored);
    if (!server_.tls) return ask();
    tls_.emplace(socket_, *server_.tls);
    demand_host(tls_->native_handle(), server_.url.host);
    tls_->async_handshake(asio::ssl::stream_base::client,
                          [self = shared_from_this()](error_code failed) {
                            if (failed) return self->end(self->no_secret(failed));
                            self->ask();
                          });
  }

  void ask() {
    patience_.cancel();
    auto asked = [self = shared_from_this()](error_code failed, size_t) {
      if (failed) return self->end(self->lost(failed));
      self->read();
    };
    if (tls_) {
      asio::async_write(*tls_, asio::buffer(request_), std::move(asked));
    } else {
      asio::async_write(socket_, asio::buffer(request_), std::move(asked));
    }
  }

  void read() {
    auto came = [self = shared_from_this()](error_code error, size_t n) { self->came(error, n); };
    if (tls_) {
      tls_->async_read_some(asio::buffer(bytes_), std::move(came));
    } else {
      socket_.async_read_some(asio::buffer(bytes_), std::move(came));
    }
  }

  void came(error_code error, size_t n) {
    if (!error) {
      input_.append(bytes_.data(), n);
      parse();
      if (!error_ && !parser_.is_done()) return read();
    } else {
      error_ = error;
      error_code ignored;
      if (parser_.got_some()) parser_.put_eof(ignored);
    }
    outcome_.complete = parser_.is_done();
    if (outcome_.status == 0 && !outcome_.interrupted) return end(lost(error_));
    end(outcome_);
  }

  void parse() {
    while (!input_.empty() && !parser_.is_done()) {
      error_code error;
      const size_t taken = parser_.put(asio::buffer(input_), error);
      input_.erase(0, taken);
      if (parser_.is_header_done()) {
        outcome_.status = static_cast<int>(parser_.get().result_int());
        const std::string piece = std::move(parser_.get().body());
        parser_.get().body().clear();
        if (!piece.empty() && on_body_) on_body_(outcome_.status, piece);
      }
      if (error == beast::error::need_more || (!error && taken == 0)) return;
      if (error) {
        error_ = error;
        return;
      }
    }
  }

  Result<Outcome> no_secret(const error_code& error) {
    if (outcome_.interrupted) return outcome_;
    if (slow_) return no_answer();
    const long verdict = SSL_get_verify_result(tls_->native_handle());  // NOLINT: OpenSSL's type
    if (verdict == X509_V_OK) {
      return fail(ErrorCode::unavailable, "{}:{} does not speak TLS as asked ({}).",
                  server_.url.host, server_.url.port, error.message());
    }
    const bool other_host =
        verdict == X509_V_ERR_HOSTNAME_MISMATCH || verdict == X509_V_ERR_IP_ADDRESS_MISMATCH;
    return fail(
        ErrorCode::unavailable, "The certificate of {}:{} is not trusted ({}){}", server_.url.host,
        server_.url.port, X509_verify_cert_error_string(verdict),
        other_host ? ": the URL has another name than it." : "; --ca-cert names one that is.");
  }

  Error no_answer() const {
    return fail(ErrorCode::unavailable, "{}:{} has not answered within {} s.", server_.url.host,
                server_.url.port, kConnectMax.count());
  }

  Result<Outcome> lost(const error_code& error) const {
    if (outcome_.interrupted) return outcome_;
    return fail(ErrorCode::unavailable, "The connection to {}:{} was lost before an answer ({}).",
                server_.url.host, server_.url.port, error.message());
  }

  void end(Result<Outcome> outcome) {
    close();
    if (const auto on_end = std::exchange(on_end_, nullptr)) on_end(std::move(outcome));
  }

  const Server& server_;
  OnBody on_body_;
  OnEnd on_end_;
  std::string request_;
  tcp::socket socket_;
  asio::steady_timer patience_;  // while there is no connection
  bool slow_ = false;
  std::optional<asio::ssl::stream<tcp::socket&>> tls_;
  beast::response_parser<beast::string_body> parser_;
  std::array<char, 16 * 1024> bytes_;
  std::string input_;
  error_code error_;
  Outcome outcome_;
};

HttpStream::HttpStream(asio::any_io_executor executor, const Server& server)
    : executor_(std::move(executor)), server_(server) {}

HttpStream::~HttpStream() {
  if (exchange_) exchange_->forget();
}

void HttpStream::post(const Post& post, OnBody on_body, OnEnd on_end) {
  const Url& url = server_.url;
  std::string request =
      fmt::format("{} {}{} HTTP/1.1\r\nHost: {}:{}\r\nConnection: close\r\n",
                  post.get ? "GET" : "POST", url.prefix, post.path, url.host, url.port);
  if (!post.get)
    request += fmt::format(
        "Content-Type: application/json\r\nAccept: text/event-stream\r\nContent-Length: {}\r\n",
        post.body.size());
  if (!post.api_key.empty()) request += "Authorization: Bearer " + post.api_key + "\r\n";
  request += "\r\n" + post.body;
  exchange_ = std::make_shared<Exchange>(executor_, server_, std::move(on_body), std::move(on_end));
  exchange_->run(std::move(request));
}

void HttpStream::stop() {
  if (exchange_) exchange_->stop();
}

Result<Outcome> post_stream(const Server& server, const Post& post, HttpStream::OnBody on_body) {
  asio::io_context context(1);
  HttpStream stream(context.get_executor(), server);
  asio::signal_set signals(context, SIGINT);
  signals.async_wait([&stream](error_code failed, int) {
    if (!failed) stream.stop();
  });
  std::optional<Result<Outcome>> told;
  stream.post(post, std::move(on_body), [&](Result<Outcome> outcome) {
    told = std::move(outcome);
    signals.cancel();
  });
  context.run();
  return *told;
}

}  // namespace baton::server::client
