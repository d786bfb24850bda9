#include "model/constraint/languages/regex.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "model/constraint/languages/characters.h"

namespace baton::constraint {

namespace {

class Parser {
 public:
  Parser(Grammar& grammar, std::string_view pattern, const RegexOptions& options)
      : grammar_(grammar), text_(pattern), options_(options) {}

  Result<ExpressionId> run() {
    BATON_TRY(whole, alternatives(0));
    if (at_ < text_.size()) return bad("a ')' has no '('");
    return whole;
  }

 private:
  struct Repetition {
    uint32_t min = 1, max = 1;
  };

  Error bad(std::string_view what) const { return fail(ErrorCode::invalid_argument, "{}", what); }
  bool at_end() const { return at_ >= text_.size(); }
  char peek() const { return text_[at_]; }
  bool skip(std::string_view head) {
    if (!text_.substr(at_).starts_with(head)) return false;
    at_ += head.size();
    return true;
  }

  Result<ExpressionId> alternatives(uint32_t depth) {
    if (depth > grammar_.limits().depth_max) return bad("its groups are nested too deep");
    std::vector<ExpressionId> all;
    do {
      BATON_TRY(one, alternative(depth));
      all.push_back(one);
    } while (skip("|"));
    return grammar_.choice(std::move(all));
  }

  // Anchors only mean something at the two ends of the whole.
  Result<ExpressionId> alternative(uint32_t depth) {
    std::vector<ExpressionId> parts;
    bool begins = false, ends = false;
    if (depth == 0) {
      while (skip("^")) begins = true;
    }
    while (!at_end() && peek() != '|' && peek() != ')') {
      if (skip("$")) {
        ends = true;
        if (depth > 0) return bad("anchors ($) inside of groups are not supported");
        continue;
      }
      if (ends || peek() == '^') return bad("anchors (^, $) are supported at the two ends only");
      BATON_TRY(part, repeated(depth));
      parts.push_back(part);
    }
    if (depth == 0 && options_.search) {
      if (!begins) parts.insert(parts.begin(), options_.anything(grammar_));
      if (!ends) parts.push_back(options_.anything(grammar_));
    }
    return grammar_.sequence(std::move(parts));
  }

  Result<ExpressionId> repeated(uint32_t depth) {
    BATON_TRY(part, atom(depth));
    while (!at_end()) {
      Repetition times;
      if (skip("*")) {
        times = {0, kUnbounded};
      } else if (skip("+")) {
        times = {1, kUnbounded};
      } else if (skip("?")) {
        times = {0, 1};
      } else if (peek() == '{') {
        BATON_TRY(read, interval());
        times = read;
      } else {
        break;
      }
      if (skip("+")) return bad("possessive quantifiers are not supported");
      skip("?");  // lazy: the same texts
      part = grammar_.repeat(part, times.min, times.max);
    }
    return part;
  }

  Result<uint32_t> number() {
    const size_t from = at_;
    uint32_t value = 0;
    for (; !at_end() && peek() >= '0' && peek() <= '9'; ++at_) {
      value = value * 10 + static_cast<uint32_t>(peek() - '0');
      if (value > grammar_.limits().repeats_max)
        return fail(ErrorCode::invalid_argument, "a repetition is more than {}",
                    grammar_.limits().repeats_max);
    }
    if (at_ == from) return bad("a '{' is not followed by a number; write \\{ for the character");
    return value;
  }

  Result<Repetition> interval() {
    ++at_;
    BATON_TRY(min, number());
    Repetition times{min, min};
    if (skip(",")) {
      times.max = kUnbounded;
      if (!at_end() && peek() != '}') {
        BATON_TRY(max, number());
        times.max = max;
      }
    }
    if (!skip("}")) return bad("a '{' is not closed");
    if (times.max < times.min) return bad("the bounds of a repetition are out of order");
    return times;
  }

  ExpressionId spell(const CodePointSet& set) {
    return options_.spell ? options_.spell(grammar_, set) : grammar_.characters(set);
  }

  Result<ExpressionId> atom(uint32_t depth) {
    const char c = peek();
    if (c == '(') return group(depth);
    if (c == '.') return ++at_, spell(any_but_line_ends());
    if (c == '[') {
      BATON_TRY(set, read_class(text_, at_));
      return spell(set);
    }
    if (c == '\\') {
      BATON_TRY(set, read_escape(text_, at_));
      return spell(set);
    }
    if (c == '*' || c == '+' || c == '?' || c == '{') return bad("a repetition follows nothing");
    BATON_TRY(character, read_character(text_, at_));
    return spell(CodePointSet::of(character));
  }

  Result<ExpressionId> group(uint32_t depth) {
    ++at_;
    if (skip("?")) {
      constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kRefused = {
          {{"=", "look-ahead (?=..) is not supported"},
           {"!", "look-ahead (?!..) is not supported"},
           {"<=", "look-behind (?<=..) is not supported"},
           {"<!", "look-behind (?<!..) is not supported"},
           {">", "atomic groups (?>..) are not supported"}}};
      for (const auto& [head, why] : kRefused) {
        if (skip(head)) return bad(why);
      }
      skip("P");
      if (skip("<")) {
        const size_t close = text_.find('>', at_);
        if (close == std::string_view::npos) return bad("the name of a group is not closed");
        at_ = close + 1;
      } else if (!skip(":")) {
        return bad("flags and this kind of group are not supported");
      }
    }
    BATON_TRY(inner, alternatives(depth + 1));
    if (!skip(")")) return bad("a '(' is not closed");
    return inner;
  }

  Grammar& grammar_;
  std::string_view text_;
  const RegexOptions& options_;
  size_t at_ = 0;
};

}  // namespace

Result<ExpressionId> read_regex(Grammar& grammar, std::string_view pattern,
                                const RegexOptions& options) {
  if (pattern.size() > grammar.limits().text_bytes_max)
    return fail(ErrorCode::invalid_argument, "it is longer than {} bytes",
                grammar.limits().text_bytes_max);
  return Parser(grammar, pattern, options).run();
}

}  // namespace baton::constraint
