// HttpStream: one POST whose answer's body is handed on as it comes; ^C ends it.
//
// Runs a loop of its own until the answer has ended. Errors are sentences for the person at the
// terminal. Thread safety: one object, one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace baton::server::chat {

struct Url {
  std::string host;
  std::string port;
  std::string prefix;  // of paths, without a slash at its end

  static Result<Url> parse(std::string_view text);
};

struct Post {
  std::string path;
  std::string body;
  std::string api_key;  // empty: none
};

struct Outcome {
  int status = 0;
  bool complete = false;     // the body came to its proper end
  bool interrupted = false;  // by ^C
};

// `on_body` gets the status and a piece of the body.
Result<Outcome> post_stream(const Url& url, const Post& post,
                            std::function<void(int status, std::string_view piece)> on_body);

}  // namespace baton::server::chat
