#include "server/api/json_text.h"

#include <charconv>
#include <cmath>

#include "model/text/utf8.h"

namespace baton::server::api {

namespace {

template <class Number>
void append_number(std::string& out, Number value) {
  char digits[40];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  out.append(digits, end);
}

template <class Real>
void append_real(std::string& out, Real value) {
  if (!std::isfinite(value)) {
    out += value > 0 ? "9999.0" : "-9999.0";
    return;
  }
  append_number(out, value);
}

void append_escaped(std::string& out, char c) {
  static constexpr char kHex[] = "0123456789abcdef";
  switch (c) {
    case '"':
      out += "\\\"";
      break;
    case '\\':
      out += "\\\\";
      break;
    case '\n':
      out += "\\n";
      break;
    case '\r':
      out += "\\r";
      break;
    case '\t':
      out += "\\t";
      break;
    default:
      out += "\\u00";
      out += kHex[static_cast<unsigned char>(c) >> 4];
      out += kHex[static_cast<unsigned char>(c) & 15];
  }
}

bool is_plain(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x20 && byte < 0x7F && c != '"' && c != '\\';
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  size_t i = 0;
  while (i < text.size()) {
    size_t run = i;
    while (run < text.size() && is_plain(text[run])) ++run;
    out += text.substr(i, run - i);
    i = run;
    if (i >= text.size()) break;
    if (static_cast<unsigned char>(text[i]) < 0x80) {
      append_escaped(out, text[i++]);
      continue;
    }
    const text::Utf8Step step = text::utf8_step(text.substr(i));
    out +=
        step.kind == text::Utf8::whole ? text.substr(i, step.bytes) : text::replacement_character;
    i += step.bytes;
  }
  out += '"';
}

std::string without_half_surrogates(std::string_view json) {
  // The value of \uXXXX at a place, or 0.
  const auto escaped = [&](size_t at) -> unsigned {
    unsigned value = 0;
    const char* digits = json.data() + at + 2;
    const bool there = at + 6 <= json.size() && json[at] == '\\' && json[at + 1] == 'u';
    return there && std::from_chars(digits, digits + 4, value, 16).ptr == digits + 4 ? value : 0;
  };
  std::string out;
  for (size_t at = 0; at < json.size();) {
    if (json[at] != '\\') {
      out += json[at++];
      continue;
    }
    const unsigned first = escaped(at);
    const bool high = first >= 0xD800 && first < 0xDC00, low = first >= 0xDC00 && first < 0xE000;
    const unsigned second = high ? escaped(at + 6) : 0;
    const bool pair = second >= 0xDC00 && second < 0xE000;
    const size_t bytes = pair ? 12 : first != 0 ? 6 : 2;
    out += (high && !pair) || low ? std::string_view("\\ufffd") : json.substr(at, bytes);
    at += bytes;
  }
  return out;
}

void append_json_number(std::string& out, float value) { append_real(out, value); }
void append_json_number(std::string& out, double value) { append_real(out, value); }
void append_json_number(std::string& out, uint64_t value) { append_number(out, value); }

void append_event(std::string& out, std::string_view json) {
  out += "data: ";
  out += json;
  out += "\n\n";
}

}  // namespace baton::server::api
