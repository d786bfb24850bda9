// HTTP messages as the rest of the server sees them: parsed, checked, owned.
//
// Field names are in lower case. `path` is what routes and keys are decided on, both on the same
// string: no query, no scheme and host, no doubled slash, not percent-decoded.
// Thread safety: values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace baton::server::http {

struct Field {
  std::string name;  // lower case in requests
  std::string value;
};
using Fields = std::vector<Field>;

// The first field of that name, else empty.
std::string_view find(const Fields& fields, std::string_view name);

struct Request {
  std::string method;
  std::string path;   // "/v1/models"
  std::string query;  // without "?"
  Fields fields;
  std::string body;
  std::string id;  // by which answer and logs name it; set by who routes it
  bool http_1_0 = false;
  bool keep_alive = true;  // what the client wants
};

struct Response {
  int status = 200;
  Fields fields;
  std::string body;
};

// How an answer is framed on this connection.
struct Framing {
  bool keep_alive = true;
  uint32_t keep_alive_seconds = 75;
  bool head_only = false;    // the answer to HEAD: the length is told, the body isn't sent
  bool chunked = false;      // a stream: no length
  bool until_close = false;  // a stream for HTTP/1.0: it ends with the connection
};

std::string_view reason(int status);

// The status line and fields, with what the framing adds, up to the empty line.
std::string encode_head(const Response& response, const Framing& framing);

// One chunk of a chunked body; empty data is nothing (the terminator is kLastChunk).
void append_chunk(std::string& out, std::string_view data);
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

// "/a%20b" to "/a b"; a broken escape stays as it is.
std::string percent_decode(std::string_view text);

bool equals_ignoring_case(std::string_view a, std::string_view b);

}  // namespace baton::server::http
