// Exchange: the answer to one request; Handler: who answers.
//
// A handler gets an Exchange of its own and answers once: whole (respond), or as a stream (begin,
// write..., then end). Destroying an exchange whose answer is unfinished drops the connection, so
// that a client never takes a broken answer for a whole one. All calls are cheap and never block;
// nothing is called back from inside them. Thread: the I/O thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "server/http/message.h"

namespace baton::server::http {

class Exchange {
 public:
  virtual ~Exchange() = default;

  // Called at most once, if the client leaves or is cut off before the answer's end. The exchange
  // is dead then and may be destroyed from inside the call.
  virtual void on_gone(std::function<void()> gone) = 0;

  virtual void respond(Response response) = 0;  // a whole answer

  // A stream: head.body is empty. While nothing is written for a while, `comment` is sent.
  virtual void begin(Response head, std::string_view comment) = 0;
  virtual void write(std::string_view data) = 0;
  virtual void end() = 0;  // the stream is complete
};

class Handler {
 public:
  virtual ~Handler() = default;
  // Decides on a head alone whether the body is worth reading: the refusal, or nothing.
  virtual std::optional<Response> refuse(const Request& head) = 0;
  virtual void handle(Request request, std::unique_ptr<Exchange> exchange) = 0;
  // The answer to bytes that are no request; 503: to a connection that is one too many.
  virtual Response bad_request(int status, std::string_view message) = 0;
};

}  // namespace baton::server::http
