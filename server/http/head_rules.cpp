#include "server/http/head_rules.h"

#include <fmt/format.h>

#include <algorithm>

#include "server/http/message.h"

namespace baton::server::http {

namespace {

bool is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte < 0x20 && byte != '\t') || byte == 0x7F;
}

std::string_view trim(std::string_view text) {
  const auto space = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && space(text.front())) text.remove_prefix(1);
  while (!text.empty() && space(text.back())) text.remove_suffix(1);
  return text;
}

struct Seen {
  size_t lengths = 0;
  size_t encodings = 0;
  size_t hosts = 0;
};

std::optional<std::string> check_field(std::string_view line, Seen& seen) {
  if (line.front() == ' ' || line.front() == '\t') return "The head has a folded line.";
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0) return "The head has a line without a name.";
  const std::string_view name = line.substr(0, colon);
  if (name.find_first_of(" \t") != std::string_view::npos) {
    return "The head has a space in a field's name.";
  }
  const std::string_view value = trim(line.substr(colon + 1));
  if (equals_ignoring_case(name, "content-length")) {
    ++seen.lengths;
    const bool digits =
        std::all_of(value.begin(), value.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (value.empty() || value.size() > 18 || !digits) return "Content-Length is not a number.";
  } else if (equals_ignoring_case(name, "transfer-encoding")) {
    ++seen.encodings;
    if (!equals_ignoring_case(value, "chunked")) {
      return "Transfer-Encoding may only be \"chunked\".";
    }
  } else if (equals_ignoring_case(name, "host")) {
    ++seen.hosts;
  }
  return std::nullopt;
}

}  // namespace

HeadScan scan_head(std::string_view input, size_t seen, const HeadLimits& limits) {
  const size_t first_line = input.substr(0, limits.line_bytes_max + 2).find('\n');
  if (first_line == std::string_view::npos && input.size() > limits.line_bytes_max + 1) {
    return {{}, fmt::format("The request line is over {} bytes.", limits.line_bytes_max)};
  }
  for (size_t i = input.find('\n', seen); i != std::string_view::npos;
       i = input.find('\n', i + 1)) {
    if (i == 0 || input[i - 1] != '\r') return {{}, "The head has a line that ends without CR."};
    if (i >= 3 && input[i - 2] == '\n') {
      if (i + 1 > limits.head_bytes_max) break;
      return {i + 1, {}};
    }
  }
  if (input.size() > limits.head_bytes_max) {
    return {{}, fmt::format("The request's head is over {} bytes.", limits.head_bytes_max)};
  }
  return {};
}

std::optional<std::string> check_head(std::string_view head, const HeadLimits& limits) {
  Seen seen;
  size_t fields = 0;
  bool first = true;
  bool http_1_0 = false;
  while (!head.empty()) {
    const size_t end = head.find("\r\n");
    if (end == std::string_view::npos) return "The head has a line that ends without CR and LF.";
    const std::string_view line = head.substr(0, end);
    head.remove_prefix(end + 2);
    if (line.empty()) break;
    if (std::any_of(line.begin(), line.end(), is_control)) return "The head has a control byte.";
    if (first) {
      first = false;
      http_1_0 = line.ends_with(" HTTP/1.0");
      if (!http_1_0 && !line.ends_with(" HTTP/1.1")) {
        return "The request line does not end in HTTP/1.1 or HTTP/1.0.";
      }
      continue;
    }
    if (++fields > limits.fields_max) {
      return fmt::format("The head has more than {} fields.", limits.fields_max);
    }
    if (auto problem = check_field(line, seen)) return problem;
  }
  if (seen.lengths > 1) return "The head has Content-Length twice.";
  if (seen.encodings > 1) return "The head has Transfer-Encoding twice.";
  if (seen.lengths > 0 && seen.encodings > 0) {
    return "The head has both Content-Length and Transfer-Encoding.";
  }
  if (seen.encodings > 0 && http_1_0) return "HTTP/1.0 has no Transfer-Encoding.";
  if (seen.hosts > 1 || (seen.hosts == 0 && !http_1_0)) return "The head must have Host once.";
  return std::nullopt;
}

std::optional<Target> parse_target(std::string_view target) {
  if (target == "*") return Target{"*", ""};
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (target.size() < scheme.size() ||
        !equals_ignoring_case(target.substr(0, scheme.size()), scheme)) {
      continue;
    }
    target.remove_prefix(scheme.size());
    const size_t slash = target.find_first_of("/?");
    if (slash == std::string_view::npos) return Target{"/", ""};
    target.remove_prefix(slash);
    if (target.front() == '?') return Target{"/", std::string(target.substr(1))};
    break;
  }
  if (target.empty() || target.front() != '/') return std::nullopt;
  Target result;
  const size_t mark = target.find('?');
  if (mark != std::string_view::npos) result.query = target.substr(mark + 1);
  for (const char c : target.substr(0, mark)) {
    if (c == '/' && !result.path.empty() && result.path.back() == '/') continue;
    result.path += c;
  }
  return result;
}

}  // namespace baton::server::http
