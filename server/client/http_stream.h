// HttpStream: one POST (or GET) over HTTP or HTTPS whose answer's body is handed on as it comes.
//
// A server's certificate must be signed by an authority that the system or `ca_file` names, for the
// URL's host.
// Errors are sentences for the person at the terminal. Thread safety: one object, the executor's
// thread.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace boost::asio::ssl {
class context;
}

namespace baton::server::client {

struct Url {
  std::string host;
  std::string port;
  std::string prefix;  // of paths, without a slash at its end
  bool tls = false;

  static Result<Url> parse(std::string_view text);
};

struct Post {
  std::string path;
  std::string body;
  std::string api_key;  // empty: none
  bool get = false;     // a GET, without a body
};

struct Outcome {
  int status = 0;
  bool complete = false;     // the body came to its proper end
  bool interrupted = false;  // by stop(), or by ^C
};

// A URL whose host has been looked up once.
struct Server {
  Url url;
  boost::asio::ip::tcp::resolver::results_type addresses;
  std::shared_ptr<boost::asio::ssl::context> tls;  // null: plain HTTP

  // `ca_file`: certificates in PEM form that are trusted besides the system's; empty: none.
  static Result<Server> find(const Url& url, const std::string& ca_file = "");
};

class HttpStream {
 public:
  using OnBody = std::function<void(int status, std::string_view piece)>;
  using OnEnd = std::function<void(Result<Outcome>)>;

  // The server outlives it.
  HttpStream(boost::asio::any_io_executor executor, const Server& server);
  ~HttpStream();  // an exchange under way says nothing more
  HttpStream(const HttpStream&) = delete;
  HttpStream& operator=(const HttpStream&) = delete;

  // Once: connects, asks, and calls `on_end` once, after the last `on_body`. Neither may destroy
  // this object.
  void post(const Post& post, OnBody on_body, OnEnd on_end);
  void stop();  // breaks the exchange off; `on_end` is still called

 private:
  class Exchange;
  boost::asio::any_io_executor executor_;
  const Server& server_;
  std::shared_ptr<Exchange> exchange_;
};

// The same with a loop of its own; ^C breaks it off.
Result<Outcome> post_stream(const Server& server, const Post& post, HttpStream::OnBody on_body);

}  // namespace baton::server::client
