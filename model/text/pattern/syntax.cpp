#include "model/text/pattern/syntax.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "model/text/pattern/unicode.h"
#include "model/text/utf8.h"

namespace baton::text::pattern {
namespace {

constexpr int class_depth_max = 16;

// What (?i) makes of a set: both cases of ASCII letters, and the two characters beyond ASCII
// whose simple case folding is an ASCII letter (long s, Kelvin sign).
CodePointSet fold_case(const CodePointSet& set) {
  std::vector<CodePointRange> ranges = set.ranges();
  const auto join = [&](char32_t a, char32_t b) {
    if (set.contains(a) || set.contains(b)) ranges.push_back({a, a}), ranges.push_back({b, b});
  };
  for (char32_t c = 'a'; c <= 'z'; ++c) join(c, c - 32);
  if (set.contains('s') || set.contains('S')) ranges.push_back({0x17F, 0x17F});
  if (set.contains('k') || set.contains('K')) ranges.push_back({0x212A, 0x212A});
  return CodePointSet(std::move(ranges));
}

class Parser {
 public:
  explicit Parser(std::string_view regex) : rest_(regex) {}

  Result<ParsedPattern> run() {
    std::vector<bool> fold{false};  // of each open group
    while (!rest_.empty()) {
      if (rest_.front() == '(') {
        BATON_TRY(flag, open_group(fold.back()));
        if (flag.group) {
          fold.push_back(flag.fold);
        } else {
          fold.back() = flag.fold;
        }
      } else if (rest_.front() == ')') {
        if (fold.size() == 1) return refuse("a closing parenthesis without its opening one");
        fold.pop_back();
        put(take(1));
      } else {
        BATON_CHECKED(one(fold.back()));
      }
    }
    if (fold.size() != 1) return refuse("an open group");
    return std::move(parts_);
  }

 private:
  struct Group {
    bool group = true;  // false for (?i), which only sets the flag
    bool fold = false;
  };

  Error refuse(std::string_view what) const {
    return fail(ErrorCode::unsupported, "the tokenizer's pattern has {}", what);
  }

  std::string_view take(size_t bytes) {
    const auto head = rest_.substr(0, bytes);
    rest_.remove_prefix(head.size());
    return head;
  }

  bool skip(std::string_view head) {
    if (!rest_.starts_with(head)) return false;
    take(head.size());
    return true;
  }

  void put(std::string_view text) { parts_.emplace_back(std::string(text)); }

  Result<Group> open_group(bool fold) {
    for (std::string_view head : {"(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>"}) {
      if (skip(head)) return put(head), Group{true, fold};
    }
    if (skip("(?i:")) return put("(?:"), Group{true, true};
    if (skip("(?i)")) return Group{false, true};
    if (rest_.starts_with("(?") || rest_.starts_with("(*")) {
      return refuse("a kind of group that is not supported");
    }
    take(1);
    put("(?:");  // nothing refers to a captured group
    return Group{true, fold};
  }

  // A character, class, anchor or repetition.
  Result<void> one(bool fold) {
    const char c = rest_.front();
    if (c == '|' || c == '*' || c == '+' || c == '?') return put(take(1)), Result<void>();
    if (c == '{') return interval();
    // Line anchors, as the reference engine reads them; \n is known to be outside this set.
    const CodePointSet not_newline = ~CodePointSet::of('\n');
    if (c == '^' || c == '$') {
      take(1);
      put(c == '^' ? "(?<!" : "(?!"), parts_.emplace_back(not_newline), put(")");
      return {};
    }
    if (c == '.') return take(1), parts_.emplace_back(not_newline), Result<void>();
    if (skip("\\A")) return put("\\A"), Result<void>();
    if (skip("\\z")) return put("\\z"), Result<void>();
    std::optional<CodePointSet> set;
    if (c == '[') {
      take(1);
      BATON_TRY(inner, char_class(0));
      set = std::move(inner);
    } else {
      BATON_TRY(inner, character());
      set = std::move(inner);
    }
    parts_.emplace_back(fold ? fold_case(*set) : std::move(*set));
    return {};
  }

  Result<void> interval() {
    const size_t end = rest_.find('}');
    const auto inner = end == rest_.npos ? std::string_view() : rest_.substr(1, end - 1);
    const bool fine = !inner.empty() && inner.size() <= 9 && inner.front() != ',' &&
                      std::count(inner.begin(), inner.end(), ',') <= 1 &&
                      inner.find_first_not_of("0123456789,") == inner.npos;
    if (!fine) return refuse("a brace that is no repetition");
    put(take(end + 1));
    return {};
  }

  // After '[': up to and with its ']'.
  Result<CodePointSet> char_class(int depth) {
    if (depth > class_depth_max) return refuse("classes nested too deep");
    const bool negated = skip("^");
    std::optional<CodePointSet> intersection;
    std::vector<CodePointRange> ranges;
    const auto add = [&](const CodePointSet& set) {
      ranges.insert(ranges.end(), set.ranges().begin(), set.ranges().end());
    };
    const auto close = [&] {
      CodePointSet part(std::exchange(ranges, {}));
      intersection = intersection ? *intersection & part : std::move(part);
    };
    for (bool first = true; first || !rest_.starts_with("]"); first = false) {
      if (rest_.empty()) return refuse("an open class");
      if (skip("&&")) {
        close();
      } else if (rest_.starts_with("[:")) {
        return refuse("a POSIX class");
      } else if (skip("[")) {
        BATON_TRY(inner, char_class(depth + 1));
        add(inner);
      } else {
        BATON_TRY(set, range_or_character());
        add(set);
      }
    }
    take(1);
    close();
    return negated ? ~*intersection : *intersection;
  }

  Result<CodePointSet> range_or_character() {
    BATON_TRY(low, character());
    const bool single = low.ranges().size() == 1 && low.ranges()[0].first == low.ranges()[0].last;
    if (!single || rest_.size() < 2 || rest_[0] != '-' || rest_[1] == ']' || rest_[1] == '[') {
      return low;
    }
    take(1);
    BATON_TRY(high, character());
    if (high.ranges().size() != 1 || high.ranges()[0].first != high.ranges()[0].last) {
      return refuse("a range that ends in a class");
    }
    const char32_t first = low.ranges()[0].first, last = high.ranges()[0].first;
    if (first > last) return refuse("a range whose end is before its beginning");
    return CodePointSet{{first, last}};
  }

  // A literal character or an escape.
  Result<CodePointSet> character() {
    if (rest_.front() != '\\') {
      const Utf8Step step = utf8_step(rest_);
      if (step.kind != Utf8::whole) return refuse("bytes that are no UTF-8");
      take(step.bytes);
      return CodePointSet::of(step.code_point);
    }
    take(1);
    if (rest_.empty()) return refuse("a backslash at its end");
    const char c = take(1).front();
    switch (c) {
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
      case 's':
        return unicode_white_space();
      case 'S':
        return ~unicode_white_space();
      case 'd':
        return *unicode_property("Nd");
      case 'D':
        return ~*unicode_property("Nd");
      case 'w':
        return unicode_word();
      case 'W':
        return ~unicode_word();
      case 'p':
      case 'P':
        return property(c == 'P');
      case 'x':
        return rest_.starts_with("{") ? braced_hex() : hex(2);
      case 'u':
        return rest_.starts_with("{") ? braced_hex() : hex(4);
      default:
        break;
    }
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (letter || static_cast<uint8_t>(c) >= 0x80) {
      return refuse("an escape that is not supported");
    }
    return CodePointSet::of(static_cast<uint8_t>(c));
  }

  Result<CodePointSet> property(bool negated) {
    std::string_view name = take(1);
    if (name == "{") {
      const size_t end = rest_.find('}');
      if (end == rest_.npos) return refuse("an open \\p{");
      name = take(end);
      take(1);
      if (name.starts_with("^")) name.remove_prefix(1), negated = !negated;
    }
    const auto set = unicode_property(name);
    if (!set) return refuse("a character property that is not supported");
    return negated ? ~*set : *set;
  }

  Result<CodePointSet> braced_hex() {
    take(1);
    const size_t end = rest_.find('}');
    if (end == rest_.npos) return refuse("an open \\x{");
    BATON_TRY(set, hex(end));
    take(1);
    return set;
  }

  Result<CodePointSet> hex(size_t digits) {
    const auto text = take(digits);
    char32_t value = 0;
    const bool fine = text.size() == digits && digits >= 1 && digits <= 6 &&
                      text.find_first_not_of("0123456789abcdefABCDEF") == text.npos;
    if (!fine) return refuse("a hexadecimal escape that is none");
    for (const char c : text) {
      value = value * 16 + static_cast<char32_t>(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
    }
    if (value > code_point_max) return refuse("a code point above U+10FFFF");
    return CodePointSet::of(value);
  }

  std::string_view rest_;
  ParsedPattern parts_;
};

// `S+$` searched in a long run of S that does not end a line would cost the square of the run's
// length. A match can't begin inside a run where it did not begin at its start: saying so is cheap.
void anchor_run(ParsedPattern& parts) {
  const auto text = [&](size_t i) { return std::get_if<std::string>(&parts[i]); };
  if (parts.size() != 5 || text(0) || !text(1) || *text(1) != "+" || !text(2) ||
      *text(2) != "(?!" || text(3)) {
    return;
  }
  const PatternPart run = parts[0];
  parts.insert(parts.begin(), {std::string("(?<!"), run, std::string(")")});
}

}  // namespace

Result<ParsedPattern> parse_pattern(std::string_view regex) {
  if (regex.size() > pattern_bytes_max) {
    return fail(ErrorCode::unsupported, "the tokenizer's pattern is longer than {} bytes",
                pattern_bytes_max);
  }
  BATON_TRY(parts, Parser(regex).run());
  anchor_run(parts);
  return std::move(parts);
}

ParsedPattern literal_pattern(std::string_view text) {
  ParsedPattern parts;
  while (!text.empty()) {
    const Utf8Step step = utf8_step(text);
    parts.emplace_back(CodePointSet::of(step.code_point));
    text.remove_prefix(step.bytes);
  }
  return parts;
}

}  // namespace baton::text::pattern
