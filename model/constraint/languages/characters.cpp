#include "model/constraint/languages/characters.h"

#include <optional>

#include "model/text/pattern/unicode.h"
#include "model/text/utf8.h"

namespace baton::constraint {

namespace {

template <class... Args>
Error bad(fmt::format_string<Args...> text, Args&&... args) {
  return fail(ErrorCode::invalid_argument, text, std::forward<Args>(args)...);
}

CodePointSet digits() { return {{'0', '9'}}; }
CodePointSet word() { return {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}; }
CodePointSet space() {
  return {{9, 13},          {' ', ' '},       {0xA0, 0xA0},     {0x1680, 0x1680}, {0x2000, 0x200A},
          {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
}

std::optional<uint32_t> hex(std::string_view digits) {
  uint32_t value = 0;
  if (digits.empty() || digits.size() > 6) return std::nullopt;
  for (const char c : digits) {
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) return std::nullopt;
    value = value * 16 + static_cast<uint32_t>(digit);
  }
  return value;
}

// Behind \x, \u or \U: so many hexadecimal digits, or any in braces.
Result<CodePointSet> read_number(std::string_view text, size_t& at, size_t digits) {
  std::optional<uint32_t> value;
  if (text.substr(at).starts_with('{')) {
    const size_t close = text.find('}', at);
    if (close == std::string_view::npos) return bad("a '{{' is not closed");
    value = hex(text.substr(at + 1, close - at - 1));
    at = close + 1;
  } else if (text.size() - at >= digits) {
    value = hex(text.substr(at, digits));
    at += digits;
  }
  if (!value || *value > text::pattern::code_point_max || (*value >= 0xD800 && *value <= 0xDFFF))
    return bad("a number of a character is none");
  return CodePointSet::of(*value);
}

Result<CodePointSet> read_property(std::string_view text, size_t& at, bool negated) {
  size_t close = at;
  if (at < text.size() && text[at] == '{') close = text.find('}', at);
  if (close == at || close == std::string_view::npos)
    return bad("\\p needs the name of a property in braces");
  const std::string_view name = text.substr(at + 1, close - at - 1);
  at = close + 1;
  const auto set = text::pattern::unicode_property(name);
  if (!set) return bad("the property \\p{{{}}} is not known", name);
  return negated ? ~*set : *set;
}

}  // namespace

CodePointSet any_but_line_ends() {
  return ~CodePointSet{{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}};
}

Result<char32_t> read_character(std::string_view text, size_t& at) {
  const text::Utf8Step step = text::utf8_step(text.substr(at));
  if (step.kind != text::Utf8::whole) return bad("it is not valid UTF-8");
  at += step.bytes;
  return step.code_point;
}

Result<CodePointSet> read_escape(std::string_view text, size_t& at) {
  if (at + 1 >= text.size()) return bad("a backslash stands at the end");
  const char c = text[at + 1];
  at += 2;
  switch (c) {
    case 'd':
      return digits();
    case 'D':
      return ~digits();
    case 'w':
      return word();
    case 'W':
      return ~word();
    case 's':
      return space();
    case 'S':
      return ~space();
    case 'p':
    case 'P':
      return read_property(text, at, c == 'P');
    case 'n':
      return CodePointSet::of('\n');
    case 'r':
      return CodePointSet::of('\r');
    case 't':
      return CodePointSet::of('\t');
    case 'f':
      return CodePointSet::of('\f');
    case 'v':
      return CodePointSet::of('\v');
    case 'x':
      return read_number(text, at, 2);
    case 'u':
      return read_number(text, at, 4);
    case 'U':
      return read_number(text, at, 8);
    default:
      break;
  }
  if (c == '0' && (at >= text.size() || text[at] < '0' || text[at] > '9'))
    return CodePointSet::of(0);
  if (c >= '0' && c <= '9') return bad("back-references (\\{}) are not supported", c);
  if (c == 'b' || c == 'B') return bad("word boundaries (\\{}) are not supported", c);
  if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
    return bad("the escape \\{} is not supported", c);
  --at;
  BATON_TRY(character, read_character(text, at));
  return CodePointSet::of(character);
}

Result<CodePointSet> read_class(std::string_view text, size_t& at) {
  ++at;
  const bool negated = at < text.size() && text[at] == '^';
  if (negated) ++at;
  std::vector<text::pattern::CodePointRange> ranges;
  const auto one = [&]() -> Result<CodePointSet> {
    if (text.substr(at).starts_with("\\b")) return at += 2, CodePointSet::of('\b');
    if (text[at] == '\\') return read_escape(text, at);
    if (text.substr(at).starts_with("[:")) return bad("classes like [:alpha:] are not supported");
    BATON_TRY(character, read_character(text, at));
    return CodePointSet::of(character);
  };
  const auto single = [](const CodePointSet& set) {
    return set.ranges().size() == 1 && set.ranges()[0].first == set.ranges()[0].last;
  };
  while (at < text.size() && text[at] != ']') {
    BATON_TRY(low, one());
    const bool range = at + 1 < text.size() && text[at] == '-' && text[at + 1] != ']';
    if (!range || !single(low)) {
      ranges.insert(ranges.end(), low.ranges().begin(), low.ranges().end());
      continue;
    }
    ++at;
    BATON_TRY(high, one());
    if (!single(high) || high.ranges()[0].first < low.ranges()[0].first)
      return bad("a range of a character class is out of order");
    ranges.push_back({low.ranges()[0].first, high.ranges()[0].first});
  }
  if (at >= text.size()) return bad("a '[' is not closed");
  ++at;
  const CodePointSet set(std::move(ranges));
  return negated ? ~set : set;
}

}  // namespace baton::constraint
