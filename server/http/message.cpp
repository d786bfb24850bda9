#include "server/http/message.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>

namespace baton::server::http {

std::string_view find(const Fields& fields, std::string_view name) {
  for (const auto& field : fields) {
    if (field.name == name) return field.value;
  }
  return {};
}

std::string_view reason(int status) {
  switch (status) {
    case 100:
      return "Continue";
    case 200:
      return "OK";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 413:
      return "Payload Too Large";
    case 429:
      return "Too Many Requests";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    default:
      return "Unknown";
  }
}

std::string encode_head(const Response& response, const Framing& framing) {
  std::string head;
  head.reserve(512);
  auto out = std::back_inserter(head);
  fmt::format_to(out, "HTTP/1.1 {} {}\r\n", response.status, reason(response.status));
  for (const auto& field : response.fields) {
    fmt::format_to(out, "{}: {}\r\n", field.name, field.value);
  }
  if (framing.chunked) {
    head += "Transfer-Encoding: chunked\r\n";
  } else if (!framing.until_close && response.status != 204 && response.status >= 200) {
    fmt::format_to(out, "Content-Length: {}\r\n", response.body.size());
  }
  if (framing.keep_alive) {
    fmt::format_to(out, "Connection: keep-alive\r\nKeep-Alive: timeout={}\r\n",
                   framing.keep_alive_seconds);
  } else {
    head += "Connection: close\r\n";
  }
  head += "\r\n";
  return head;
}

void append_chunk(std::string& out, std::string_view data) {
  if (data.empty()) return;
  fmt::format_to(std::back_inserter(out), "{:x}\r\n", data.size());
  out += data;
  out += "\r\n";
}

std::string percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned value = 0;
    if (text[i] == '%' && i + 2 < text.size() &&
        std::from_chars(text.data() + i + 1, text.data() + i + 3, value, 16).ptr ==
            text.data() + i + 3) {
      out += static_cast<char>(value);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace baton::server::http
