// The rules that a request's head must keep before any parser sees it.
//
// What two parsers may read differently is how requests are smuggled, so such heads are refused
// and the connection closed: bare LF, folded lines, control bytes, a space before the colon, both
// Content-Length and Transfer-Encoding, either of them twice, a list or a sign in the length, any
// encoding but "chunked". Thread safety: pure functions.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace baton::server::http {

struct HeadLimits {
  size_t head_bytes_max = 32 * 1024;
  size_t line_bytes_max = 8 * 1024;  // of the request line
  size_t fields_max = 100;
};

// Looks for the head's end in `input`, of which the first `seen` bytes have been looked at before.
struct HeadScan {
  std::optional<size_t> end;           // bytes of the head, the empty line included
  std::optional<std::string> problem;  // one sentence
};
HeadScan scan_head(std::string_view input, size_t seen, const HeadLimits& limits);

// `head` is complete: the request line and the fields, the empty line included.
std::optional<std::string> check_head(std::string_view head, const HeadLimits& limits);

// Splits a request target into path and query; nothing if it is no target we serve. Absolute
// targets lose scheme and host; doubled slashes become one.
struct Target {
  std::string path;
  std::string query;
};
std::optional<Target> parse_target(std::string_view target);

}  // namespace baton::server::http
