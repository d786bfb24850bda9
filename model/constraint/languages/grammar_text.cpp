#include "model/constraint/languages/grammar_text.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "model/constraint/languages/characters.h"
#include "model/constraint/languages/schema.h"
#include "model/constraint/markers.h"
#include "model/text/utf8.h"

namespace baton::constraint {

namespace {

bool is_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-';
}

// The JSON value at the beginning of `text`, an object or true or false; as far as brackets tell.
std::string_view json_at(std::string_view text) {
  if (!text.starts_with('{')) return text.substr(0, text.find_first_not_of("truefals"));
  size_t depth = 0;
  bool quoted = false;
  for (size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (quoted && c == '\\') {
      ++at;
    } else if (c == '"') {
      quoted = !quoted;
    } else if (!quoted && (c == '{' || c == '[')) {
      ++depth;
    } else if (!quoted && (c == '}' || c == ']') && --depth == 0) {
      return text.substr(0, at + 1);
    }
  }
  return text;
}

class Parser {
 public:
  Parser(Grammar& grammar, std::string_view text)
      : grammar_(grammar), text_(text), values_(grammar) {}

  Result<void> run() {
    for (skip_space(); at_ < text_.size(); skip_space()) {
      BATON_CHECKED(rule());
    }
    const auto root = rules_.find("root");
    if (root == rules_.end() || !grammar_[root->second].defined)
      return bad("there is no rule \"root\"; rules are written: root ::= \"yes\" | \"no\"");
    grammar_.set_root(root->second);
    return {};
  }

 private:
  template <class... Args>
  Error bad(fmt::format_string<Args...> what, Args&&... args) const {
    size_t line = 1;
    for (size_t i = 0; i < at_ && i < text_.size(); ++i) line += text_[i] == '\n' ? 1 : 0;
    return fail(ErrorCode::invalid_argument, "line {}: {}", line,
                fmt::format(what, std::forward<Args>(args)...));
  }

  void skip_space() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
        ++at_;
      } else {
        return;
      }
    }
  }
  bool next_is(std::string_view head) const { return text_.substr(at_).starts_with(head); }
  bool skip(std::string_view head) {
    if (!next_is(head)) return false;
    at_ += head.size();
    return true;
  }
  std::string name() {
    const size_t from = at_;
    while (at_ < text_.size() && is_name(text_[at_])) ++at_;
    return std::string(text_.substr(from, at_ - from));
  }
  RuleId rule_of(const std::string& name) {
    const auto [found, fresh] = rules_.try_emplace(name);
    if (fresh) found->second = grammar_.declare(name);
    return found->second;
  }

  Result<void> rule() {
    const std::string head = name();
    if (head.empty()) return bad("a rule's name is expected");
    skip_space();
    if (!skip("::=")) return bad("\"{}\" is not followed by ::=", head);
    const RuleId id = rule_of(head);
    if (grammar_[id].defined) return bad("the rule \"{}\" is defined twice", head);
    BATON_TRY(body, alternatives(0));
    grammar_.define(id, body);
    return {};
  }

  // A name followed by ::= begins the next rule.
  bool rule_begins() {
    const size_t here = at_;
    const bool named = !name().empty();
    skip_space();
    const bool begins = named && next_is("::=");
    at_ = here;
    return begins;
  }

  Result<ExpressionId> alternatives(uint32_t depth) {
    if (depth > grammar_.limits().depth_max) return bad("groups are nested too deep");
    std::vector<ExpressionId> all;
    do {
      BATON_TRY(one, sequence(depth));
      all.push_back(one);
    } while (skip("|"));
    return grammar_.choice(std::move(all));
  }

  Result<ExpressionId> sequence(uint32_t depth) {
    std::vector<ExpressionId> parts;
    for (skip_space(); at_ < text_.size(); skip_space()) {
      if (text_[at_] == '|' || text_[at_] == ')' || rule_begins()) break;
      BATON_TRY(part, atom(depth));
      BATON_TRY(repeated, repetition(part));
      parts.push_back(repeated);
    }
    return grammar_.sequence(std::move(parts));
  }

  Result<ExpressionId> atom(uint32_t depth) {
    const char c = text_[at_];
    if (c == '"' || c == '\'') return quoted(c);
    if (c == '[') {
      BATON_TRY(set, placed(read_class(text_, at_)));
      return grammar_.characters(set);
    }
    if (c == '.') return ++at_, grammar_.characters(any_but_line_ends());
    if (c == '(') {
      ++at_;
      BATON_TRY(inner, alternatives(depth + 1));
      skip_space();
      if (!skip(")")) return bad("a '(' is not closed");
      return inner;
    }
    if (c == '<') return marker();
    if (skip("%json")) return schema();
    if (is_name(c)) return grammar_.call(rule_of(name()));
    return bad("'{}' is not expected here", c);
  }

  template <class T>
  Result<T> placed(Result<T> result) const {
    if (!result) return bad("{}", result.error().message);
    return result;
  }

  Result<ExpressionId> marker() {
    const size_t end = text_.find('>', at_);
    const auto byte = marker_byte(text_.substr(at_, end == text_.npos ? end : end + 1 - at_));
    if (byte.empty()) return bad("'<' does not begin a marker of tool calls");
    at_ = end + 1;
    return grammar_.literal(byte);
  }

  Result<ExpressionId> schema() {
    skip_space();
    const std::string_view text = json_at(text_.substr(at_));
    BATON_TRY(rule, placed(add_schema(grammar_, values_, text)));
    at_ += text.size();
    return grammar_.call(rule);
  }

  Result<ExpressionId> quoted(char quote) {
    ++at_;
    std::string bytes;
    while (at_ < text_.size() && text_[at_] != quote) {
      if (text_[at_] != '\\') {
        BATON_TRY(character, placed(read_character(text_, at_)));
        text::append_utf8(bytes, character);
        continue;
      }
      BATON_TRY(set, placed(read_escape(text_, at_)));
      const auto& ranges = set.ranges();
      if (ranges.size() != 1 || ranges[0].first != ranges[0].last)
        return bad("an escape in a text must be one character");
      text::append_utf8(bytes, ranges[0].first);
    }
    if (at_ >= text_.size()) return bad("a text is not closed");
    ++at_;
    return grammar_.literal(bytes);
  }

  Result<uint32_t> number() {
    const size_t from = at_;
    uint32_t value = 0;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
      value = value * 10 + static_cast<uint32_t>(text_[at_] - '0');
      if (value > grammar_.limits().repeats_max)
        return bad("a repetition is more than {}", grammar_.limits().repeats_max);
    }
    if (at_ == from) return bad("a number is expected");
    return value;
  }

  Result<ExpressionId> repetition(ExpressionId part) {
    for (;;) {
      if (skip("*")) {
        part = grammar_.repeat(part, 0, kUnbounded);
      } else if (skip("+")) {
        part = grammar_.repeat(part, 1, kUnbounded);
      } else if (skip("?")) {
        part = grammar_.repeat(part, 0, 1);
      } else if (skip("{")) {
        BATON_TRY(min, number());
        uint32_t max = min;
        if (skip(",")) {
          max = kUnbounded;
          if (!next_is("}")) {
            BATON_TRY(last, number());
            max = last;
          }
        }
        if (!skip("}") || max < min) return bad("the bounds of a repetition are not {{m,n}}");
        part = grammar_.repeat(part, min, max);
      } else {
        return part;
      }
    }
  }

  Grammar& grammar_;
  std::string_view text_;
  size_t at_ = 0;
  JsonValues values_;
  std::map<std::string, RuleId> rules_;
};

}  // namespace

Result<void> read_grammar(Grammar& grammar, std::string_view text) {
  if (text.size() > grammar.limits().text_bytes_max)
    return fail(ErrorCode::invalid_argument, "it is longer than {} bytes",
                grammar.limits().text_bytes_max);
  return Parser(grammar, text).run();
}

}  // namespace baton::constraint
