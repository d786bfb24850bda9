#include "model/text/jinja/lexer.h"

#include <algorithm>
#include <array>
#include <utility>

#include "model/text/jinja/text.h"
#include "model/text/utf8.h"

namespace baton::text::jinja {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool begins_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<uint8_t>(c) >= 0x80;
}

std::string normalized(std::string_view source) {
  std::string text;
  text.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    const bool crlf = source[i] == '\r' && i + 1 < source.size() && source[i + 1] == '\n';
    if (!crlf) text += source[i] == '\r' ? '\n' : source[i];
  }
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) {}

  Result<std::vector<Token>> run() {
    while (at_ < source_.size()) {
      const size_t tag = next_tag();
      if (tag == source_.npos) {
        data(source_.substr(at_));
        break;
      }
      BATON_CHECKED(tag_at(tag));
    }
    put(TokenKind::end, {});
    return std::move(tokens_);
  }

 private:
  Error refuse(std::string_view what) {
    return fail(ErrorCode::unsupported, "the chat template has {} in line {}", what, line_at(at_));
  }

  uint32_t line_at(size_t at) {
    for (; counted_ < at && counted_ < source_.size(); ++counted_)
      line_ += source_[counted_] == '\n';
    return line_;
  }

  void put(TokenKind kind, std::string text) {
    tokens_.push_back({kind, std::move(text), line_at(at_)});
  }

  void data(std::string_view text) {
    if (!text.empty()) put(TokenKind::data, std::string(text));
  }

  size_t next_tag() const {
    for (size_t at = source_.find('{', at_); at != source_.npos; at = source_.find('{', at + 1)) {
      if (at + 1 == source_.size()) return source_.npos;
      const char next = source_[at + 1];
      if (next == '%' || next == '{' || next == '#') return at;
    }
    return source_.npos;
  }

  // The text before the tag at `tag`, less what its sign or lstrip_blocks takes.
  std::string_view text_before(size_t tag) const {
    std::string_view text = source_.substr(at_, tag - at_);
    const char sign = tag + 2 < source_.size() ? source_[tag + 2] : ' ';
    if (sign == '-') return text.substr(0, text.size() - trailing_space(text));
    if (sign == '+' || source_[tag + 1] == '{') return text;
    const size_t newline = text.rfind('\n');
    const bool line_begins = newline != text.npos || at_ == 0 || source_[at_ - 1] == '\n';
    const size_t line = newline == text.npos ? 0 : newline + 1;
    if (line_begins && leading_space(text.substr(line)) == text.size() - line) {
      return text.substr(0, line);
    }
    return text;
  }

  Result<void> tag_at(size_t tag) {
    data(text_before(tag));
    const char kind = source_[tag + 1];
    at_ = tag + 2;
    if (at_ < source_.size() && (source_[at_] == '-' || source_[at_] == '+')) {
      // In a variable tag a plus is a sign of the expression.
      if (source_[at_] == '-' || kind != '{') ++at_;
    }
    if (kind == '#') return comment();
    if (kind == '%' && word_follows("raw")) return raw();
    put(kind == '%' ? TokenKind::block_begin : TokenKind::variable_begin, {});
    return expression(kind == '%' ? "%}" : "}}");
  }

  // After the closing sign and brace of a tag: what they take from the text that follows.
  void after_tag(bool strip, bool trim) {
    if (strip) {
      at_ += leading_space(source_.substr(at_));
    } else if (trim && at_ < source_.size() && source_[at_] == '\n') {
      ++at_;
    }
  }

  Result<void> comment() {
    const size_t end = source_.find("#}", at_);
    if (end == source_.npos) return refuse("an open comment");
    const char sign = end > at_ ? source_[end - 1] : ' ';
    at_ = end + 2;
    after_tag(sign == '-', sign != '+');
    return {};
  }

  bool word_follows(std::string_view word) const {
    const auto rest = source_.substr(at_);
    const auto trimmed = rest.substr(leading_space(rest));
    if (!trimmed.starts_with(word)) return false;
    const auto after = trimmed.substr(word.size());
    const auto close = after.substr(leading_space(after));
    return close.starts_with("%}") || close.starts_with("-%}") || close.starts_with("+%}");
  }

  // Past the `%}` of a tag that word_follows has seen.
  bool close_block() {
    const size_t end = source_.find("%}", at_);
    const char sign = source_[end - 1];
    at_ = end + 2;
    after_tag(sign == '-', false);
    return sign != '+';
  }

  Result<void> raw() {
    close_block();
    for (size_t tag = source_.find("{%", at_); tag != source_.npos;
         tag = source_.find("{%", tag + 2)) {
      const size_t begin = at_;
      const auto text = text_before(tag);
      at_ = tag + 2;
      if (at_ < source_.size() && (source_[at_] == '-' || source_[at_] == '+')) ++at_;
      if (word_follows("endraw")) {
        data(text);
        after_tag(false, close_block());
        return {};
      }
      at_ = begin;
    }
    return refuse("an open raw block");
  }

  Result<void> expression(std::string_view close) {
    std::string brackets;
    while (true) {
      at_ += leading_space(source_.substr(at_));
      if (at_ >= source_.size()) return refuse("an open tag");
      const auto rest = source_.substr(at_);
      if (brackets.empty()) {
        const bool signed_close = (rest[0] == '-' || (rest[0] == '+' && close == "%}")) &&
                                  rest.substr(1).starts_with(close);
        if (signed_close || rest.starts_with(close)) {
          put(close == "%}" ? TokenKind::block_end : TokenKind::variable_end, {});
          at_ += close.size() + (signed_close ? 1 : 0);
          after_tag(signed_close && rest[0] == '-', close == "%}" && !signed_close);
          return {};
        }
      }
      BATON_CHECKED(one(rest, brackets));
    }
  }

  Result<void> one(std::string_view rest, std::string& brackets) {
    const char c = rest[0];
    if (begins_name(c)) {
      size_t end = 1;
      while (end < rest.size() && (begins_name(rest[end]) || is_digit(rest[end]))) ++end;
      put(TokenKind::name, std::string(rest.substr(0, end)));
      at_ += end;
      return {};
    }
    if (is_digit(c)) return number(rest);
    if (c == '\'' || c == '"') return string(rest);
    static constexpr std::array<std::string_view, 26> symbols{
        "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[",
        "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ",", ";"};
    for (const auto symbol : symbols) {
      if (!rest.starts_with(symbol)) continue;
      if (symbol == "(" || symbol == "[" || symbol == "{") brackets += symbol;
      if (symbol == ")" || symbol == "]" || symbol == "}") {
        const char open = symbol == ")" ? '(' : symbol == "]" ? '[' : '{';
        if (brackets.empty() || brackets.back() != open) return refuse("an unmatched bracket");
        brackets.pop_back();
      }
      put(TokenKind::symbol, std::string(symbol));
      at_ += symbol.size();
      return {};
    }
    return refuse("a character that begins nothing");
  }

  Result<void> number(std::string_view rest) {
    std::string text;
    size_t end = 0;
    const auto digits = [&] {
      while (end < rest.size() && (is_digit(rest[end]) || rest[end] == '_')) {
        if (rest[end] != '_') text += rest[end];
        ++end;
      }
    };
    digits();
    bool fraction = false;
    if (end + 1 < rest.size() && rest[end] == '.' && is_digit(rest[end + 1])) {
      fraction = true;
      text += rest[end++];
      digits();
    }
    size_t exponent = end + 1;
    if (exponent < rest.size() && (rest[exponent] == '+' || rest[exponent] == '-')) ++exponent;
    if (end < rest.size() && (rest[end] == 'e' || rest[end] == 'E') && exponent < rest.size() &&
        is_digit(rest[exponent])) {
      fraction = true;
      text += rest.substr(end, exponent - end);
      end = exponent;
      digits();
    }
    put(fraction ? TokenKind::number : TokenKind::integer, std::move(text));
    at_ += end;
    return {};
  }

  Result<void> string(std::string_view rest) {
    std::string text;
    size_t i = 1;
    while (i < rest.size() && rest[i] != rest[0]) {
      if (rest[i] != '\\') {
        text += rest[i++];
      } else if (i + 1 == rest.size()) {
        break;
      } else {
        BATON_CHECKED(escape(rest, i, text));
      }
    }
    if (i >= rest.size() || rest[i] != rest[0]) return refuse("an open string");
    put(TokenKind::string, std::move(text));
    at_ += i + 1;
    return {};
  }

  // The escape whose backslash is at `i`; `i` moves behind it.
  Result<void> escape(std::string_view rest, size_t& i, std::string& text) {
    static constexpr std::string_view letters = "ntrbfva\\'\"0", meanings = "\n\t\r\b\f\v\a\\'\"";
    const char c = rest[i + 1];
    if (const size_t known = letters.find(c); known != letters.npos) {
      text += c == '0' ? '\0' : meanings[known];
      i += 2;
      return {};
    }
    const size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (digits == 0) {
      if (c != '\n') text += '\\', text += c;
      i += 2;
      return {};
    }
    const auto number = rest.substr(i + 2, digits);
    if (number.size() != digits ||
        number.find_first_not_of("0123456789abcdefABCDEF") != number.npos) {
      return refuse("an escape that is none");
    }
    char32_t value = 0;
    for (const char d : number) {
      value = value * 16 + static_cast<char32_t>(is_digit(d) ? d - '0' : (d | 32) - 'a' + 10);
    }
    if (value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) {
      return refuse("an escape of no character");
    }
    append_utf8(text, value);
    i += 2 + digits;
    return {};
  }

  std::string_view source_;
  size_t at_ = 0;
  size_t counted_ = 0;  // newlines are counted up to here
  uint32_t line_ = 1;
  std::vector<Token> tokens_;
};

}  // namespace

Result<std::vector<Token>> tokenize_template(std::string_view source) {
  if (source.size() > source_bytes_max) {
    return fail(ErrorCode::unsupported, "the chat template has {} bytes; at most {} are supported",
                source.size(), source_bytes_max);
  }
  const std::string text = normalized(to_valid_utf8(source));
  return Lexer(text).run();
}

}  // namespace baton::text::jinja
