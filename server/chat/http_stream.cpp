#include "server/chat/http_stream.h"

#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <csignal>

namespace baton::server::chat {

namespace asio = boost::asio;
namespace beast = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

class Exchange {
 public:
  Exchange(const Url& url, std::function<void(int, std::string_view)> on_body)
      : url_(url), on_body_(std::move(on_body)), socket_(context_), signals_(context_, SIGINT) {
    parser_.body_limit(boost::none);
    parser_.eager(true);
  }

  Result<Outcome> run(const std::string& request) {
    error_code error;
    tcp::resolver resolver(context_);
    const auto found = resolver.resolve(url_.host, url_.port, error);
    if (!error) asio::connect(socket_, found, error);
    if (error) {
      return fail(ErrorCode::unavailable, "No server answers at {}:{} ({}); is it running?",
                  url_.host, url_.port, error.message());
    }
    signals_.async_wait([this](error_code failed, int) {
      if (failed) return;
      outcome_.interrupted = true;
      error_code ignored;
      socket_.close(ignored);
    });
    asio::write(socket_, asio::buffer(request), error);
    if (error) return lost(error);
    read();
    context_.run();
    outcome_.complete = parser_.is_done();
    if (outcome_.status == 0 && !outcome_.interrupted) return lost(error_);
    return outcome_;
  }

 private:
  Error lost(const error_code& error) const {
    return fail(ErrorCode::unavailable, "The connection to {}:{} was lost before an answer ({}).",
                url_.host, url_.port, error.message());
  }

  void read() {
    socket_.async_read_some(asio::buffer(bytes_), [this](error_code error, size_t n) {
      if (!error) {
        input_.append(bytes_.data(), n);
        parse();
        if (!error_ && !parser_.is_done()) return read();
      } else {
        error_ = error;
        if (parser_.got_some()) {
          error_code ignored;
          parser_.put_eof(ignored);
        }
      }
      signals_.cancel();
    });
  }

  void parse() {
    while (!input_.empty() && !parser_.is_done()) {
      error_code error;
      const size_t taken = parser_.put(asio::buffer(input_), error);
      input_.erase(0, taken);
      if (parser_.is_header_done()) {
        outcome_.status = static_cast<int>(parser_.get().result_int());
        std::string piece = std::move(parser_.get().body());
        parser_.get().body().clear();
        if (!piece.empty()) on_body_(outcome_.status, piece);
      }
      if (error == beast::error::need_more || (!error && taken == 0)) return;
      if (error) {
        error_ = error;
        return;
      }
    }
  }

  const Url& url_;
  std::function<void(int, std::string_view)> on_body_;
  asio::io_context context_{1};
  tcp::socket socket_;
  asio::signal_set signals_;
  beast::response_parser<beast::string_body> parser_;
  std::array<char, 16 * 1024> bytes_;
  std::string input_;
  error_code error_;
  Outcome outcome_;
};

}  // namespace

Result<Url> Url::parse(std::string_view text) {
  static constexpr std::string_view kScheme = "http://";
  if (!text.starts_with(kScheme)) {
    return fail(ErrorCode::invalid_argument, "The URL \"{}\" must begin with http://.", text);
  }
  const std::string_view rest = text.substr(kScheme.size());
  const size_t slash = std::min(rest.find('/'), rest.size());
  const std::string_view authority = rest.substr(0, slash);
  Url url;
  url.prefix = rest.substr(slash);
  while (url.prefix.ends_with('/')) url.prefix.pop_back();
  const size_t colon = authority.rfind(':');
  const bool has_port = colon != std::string_view::npos && !authority.ends_with(']');
  url.host = has_port ? authority.substr(0, colon) : authority;
  url.port = has_port ? authority.substr(colon + 1) : "80";
  if (url.host.starts_with('[') && url.host.ends_with(']')) {
    url.host = url.host.substr(1, url.host.size() - 2);
  }
  const bool digits = url.port.find_first_not_of("0123456789") == std::string::npos;
  if (url.host.empty() || url.port.empty() || !digits) {
    return fail(ErrorCode::invalid_argument, "The URL \"{}\" must be http://HOST:PORT.", text);
  }
  return url;
}

Result<Outcome> post_stream(const Url& url, const Post& post,
                            std::function<void(int, std::string_view)> on_body) {
  std::string request = fmt::format(
      "POST {}{} HTTP/1.1\r\nHost: {}:{}\r\nContent-Type: application/json\r\n"
      "Accept: text/event-stream\r\nConnection: close\r\nContent-Length: {}\r\n",
      url.prefix, post.path, url.host, url.port, post.body.size());
  if (!post.api_key.empty()) request += "Authorization: Bearer " + post.api_key + "\r\n";
  request += "\r\n" + post.body;
  return Exchange(url, std::move(on_body)).run(request);
}

}  // namespace baton::server::chat
