// RequestReader: bytes in, requests out. Beast's parser behind limits and head rules.
//
// A pure machine without sockets: feed it whatever came, in any split, and the same requests come
// out. After `failed` the connection can't be used further. Invariant: what it holds is bounded by
// the limits (one head, one body, and what was fed behind a complete request).
// Thread safety: one object, one thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "server/http/head_rules.h"
#include "server/http/message.h"

namespace baton::server::http {

struct ReadLimits {
  HeadLimits head;
  size_t body_bytes_max = 8 * 1024 * 1024;
};

enum class Reading : uint8_t {
  head,      // waiting for the end of a head
  body,      // request() has everything but the body
  complete,  // request() is whole; take() it
  failed,    // refusal() says why
};

// What is wrong: which part of a request, or that it is too large.
enum class Malformed : uint8_t { head, body, too_large };

struct Refusal {
  Malformed kind = Malformed::head;
  int status = 400;
  std::string message;
};

class RequestReader {
 public:
  explicit RequestReader(const ReadLimits& limits);
  ~RequestReader();

  // While a request is complete, more bytes are only kept for the next one.
  Reading feed(std::string_view bytes);
  Reading state() const { return state_; }
  const Request& request() const { return request_; }
  // The complete request; the reader goes on with what was fed behind it.
  Request take();
  const Refusal& refusal() const { return refusal_; }

  bool expects_continue() const;  // the client waits for a 100 before it sends the body
  size_t body_bytes() const;      // of this request, so far
  size_t kept_bytes() const { return input_.size(); }  // not parsed yet

 private:
  void advance();
  void read_head();
  void read_body();
  void fail(int status, std::string message);

  struct Parser;
  ReadLimits limits_;
  std::unique_ptr<Parser> parser_;
  std::string input_;
  size_t scanned_ = 0;  // of input_, while looking for the head's end
  Reading state_ = Reading::head;
  Request request_;
  Refusal refusal_;
};

}  // namespace baton::server::http
