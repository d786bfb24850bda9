#include "server/api/output/json_scanner.h"

namespace baton::server::api {

namespace {

// Where in a number: behind what its last character was.
enum Number : uint8_t { minus, zero, digits, point, fraction, exponent, exponent_sign, power };

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

}  // namespace

size_t JsonScanner::feed(std::string_view text) {
  size_t used = 0;
  while (used < text.size() && state_ == State::open) {
    if (!step(text[used])) {
      state_ = State::broken;
      break;
    }
    ++used;
  }
  return used;
}

bool JsonScanner::step(char c) {
  switch (want_) {
    case Want::string_text:
    case Want::string_escape:
    case Want::string_hex:
      return in_string(c);
    case Want::number:
      return in_number(c);
    case Want::literal:
      return in_literal(c);
    default:
      break;
  }
  if (is_space(c)) return true;
  switch (want_) {
    case Want::object:
      return c == '{' && open(c);
    case Want::key_or_end:
      if (c == '}') return close(c);
      [[fallthrough]];
    case Want::key:
      is_key_ = true;
      want_ = Want::string_text;
      return c == '"';
    case Want::colon:
      want_ = Want::value;
      return c == ':';
    case Want::value_or_end:
      if (c == ']') return close(c);
      [[fallthrough]];
    case Want::value:
      return begin_value(c);
    default:
      return after_value(c);
  }
}

bool JsonScanner::begin_value(char c) {
  if (c == '{' || c == '[') return open(c);
  if (c == '"') {
    is_key_ = false;
    want_ = Want::string_text;
    return true;
  }
  if (c == '-' || is_digit(c)) {
    want_ = Want::number;
    number_ = c == '-' ? minus : c == '0' ? zero : digits;
    return true;
  }
  literal_ = c == 't' ? "rue" : c == 'f' ? "alse" : c == 'n' ? "ull" : "";
  want_ = Want::literal;
  return !literal_.empty();
}

bool JsonScanner::in_string(char c) {
  if (want_ == Want::string_hex) {
    if (++hex_ == 4) want_ = Want::string_text;
    return is_hex(c);
  }
  if (want_ == Want::string_escape) {
    hex_ = 0;
    want_ = c == 'u' ? Want::string_hex : Want::string_text;
    return std::string_view("\"\\/bfnrtu").find(c) != std::string_view::npos;
  }
  if (c == '\\') {
    want_ = Want::string_escape;
  } else if (c == '"') {
    want_ = is_key_ ? Want::colon : Want::comma_or_end;
  }
  return static_cast<unsigned char>(c) >= 0x20;
}

bool JsonScanner::in_number(char c) {
  switch (number_) {
    case minus:
      number_ = c == '0' ? zero : digits;
      return is_digit(c);
    case zero:
    case digits:
      if (number_ == digits && is_digit(c)) return true;
      if (c == '.') return number_ = point, true;
      if (c == 'e' || c == 'E') return number_ = exponent, true;
      break;
    case point:
      number_ = fraction;
      return is_digit(c);
    case fraction:
      if (is_digit(c)) return true;
      if (c == 'e' || c == 'E') return number_ = exponent, true;
      break;
    case exponent:
      number_ = c == '+' || c == '-' ? exponent_sign : power;
      return is_digit(c) || c == '+' || c == '-';
    case exponent_sign:
      number_ = power;
      return is_digit(c);
    default:
      if (is_digit(c)) return true;
  }
  want_ = Want::comma_or_end;
  return is_space(c) || after_value(c);
}

bool JsonScanner::in_literal(char c) {
  if (c != literal_.front()) return false;
  literal_.remove_prefix(1);
  if (literal_.empty()) want_ = Want::comma_or_end;
  return true;
}

bool JsonScanner::after_value(char c) {
  if (c == ',') {
    want_ = nesting_.back() == '{' ? Want::key : Want::value;
    return true;
  }
  return close(c);
}

bool JsonScanner::open(char bracket) {
  if (nesting_.size() >= kDepthMax) return false;
  nesting_ += bracket;
  want_ = bracket == '{' ? Want::key_or_end : Want::value_or_end;
  return true;
}

bool JsonScanner::close(char bracket) {
  if (bracket != (nesting_.back() == '{' ? '}' : ']')) return false;
  nesting_.pop_back();
  want_ = Want::comma_or_end;
  if (nesting_.empty()) state_ = State::complete;
  return true;
}

}  // namespace baton::server::api
