#include "model/constraint/languages/json_values.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "model/text/utf8.h"

namespace baton::constraint {

namespace {

constexpr uint32_t kFractionMax = 17, kExponentMax = 2;
constexpr uint32_t kSpacesMax = 24, kTabsMax = 8;

// Characters that stand for themselves in a string.
CodePointSet plain_characters() { return ~CodePointSet{{0, 0x1F}, {'"', '"'}, {'\\', '\\'}}; }

std::string unquoted(char32_t c) {
  std::string text;
  text::append_utf8(text, c);
  const std::string quoted = json_quoted(text);
  return quoted.substr(1, quoted.size() - 2);
}

}  // namespace

std::string json_quoted(std::string_view text) { return nlohmann::json(text).dump(); }

// A rule may be used while its body is made: it is declared first.
template <class Body>
ExpressionId JsonValues::shared(std::optional<RuleId>& rule, const char* name, const Body& body) {
  if (!rule) {
    rule = grammar_.declare(name, true);
    grammar_.define(*rule, body());
  }
  return grammar_.call(*rule);
}

ExpressionId JsonValues::space() {
  return shared(space_, "space", [&] {
    const auto spaces = grammar_.repeat(grammar_.literal(" "), 0, kSpacesMax);
    const auto tabs = grammar_.repeat(grammar_.literal("\t"), 1, kTabsMax);
    return grammar_.choice(
        {grammar_.empty(), grammar_.literal(" "),
         grammar_.sequence({grammar_.literal("\n"), grammar_.choice({spaces, tabs})})});
  });
}

ExpressionId JsonValues::comma() { return grammar_.sequence({grammar_.literal(","), space()}); }

ExpressionId JsonValues::value() {
  return shared(value_, "value", [&] {
    return grammar_.choice({object(), array(), string(), number(), boolean(), null()});
  });
}

ExpressionId JsonValues::object() {
  return shared(object_, "object", [&] {
    return object_of({{.expression = member(string(), value()), .repeats = true}});
  });
}

ExpressionId JsonValues::array() {
  return shared(array_, "array", [&] { return array_of({}, value(), 0, kUnbounded); });
}

ExpressionId JsonValues::member(ExpressionId key, ExpressionId value) {
  return grammar_.sequence(
      {key, grammar_.literal(":"), grammar_.optional(grammar_.literal(" ")), value});
}

ExpressionId JsonValues::object_of(std::vector<ListItem> members) {
  return grammar_.sequence({grammar_.literal("{"),
                            grammar_.list(space(), std::move(members), comma(), space()),
                            grammar_.literal("}")});
}

ExpressionId JsonValues::array_of(const std::vector<ExpressionId>& items,
                                  std::optional<ExpressionId> rest, uint32_t min, uint32_t max) {
  std::vector<ListItem> list;
  const auto fixed = static_cast<uint32_t>(std::min<size_t>(items.size(), max));
  for (uint32_t i = 0; i < fixed; ++i) {
    list.push_back({.expression = items[i], .required = true});
  }
  const uint32_t least = min > fixed ? min - fixed : 0;
  const uint32_t most = max == kUnbounded ? kUnbounded : max - fixed;
  if (rest && least <= 1 && most == kUnbounded) {  // one copy of it is enough
    list.push_back({.expression = *rest, .required = least == 1, .repeats = true});
  } else if (rest && most > 0) {
    const auto more = grammar_.sequence({comma(), *rest});
    const uint32_t others = most == kUnbounded ? kUnbounded : most - 1;
    const auto all =
        grammar_.sequence({*rest, grammar_.repeat(more, least > 0 ? least - 1 : 0, others)});
    list.push_back({.expression = all, .required = least > 0});
  }
  return grammar_.sequence({grammar_.literal("["),
                            grammar_.list(space(), std::move(list), comma(), space()),
                            grammar_.literal("]")});
}

ExpressionId JsonValues::digits(uint32_t min, uint32_t max) {
  return grammar_.repeat(grammar_.characters({{'0', '9'}}), min, max);
}

ExpressionId JsonValues::integer() {
  return shared(integer_, "integer", [&] {
    const auto nonzero =
        grammar_.sequence({grammar_.optional(grammar_.literal("-")),
                           grammar_.characters({{'1', '9'}}), digits(0, kDigitsMax - 1)});
    return grammar_.choice({grammar_.literal("0"), nonzero});
  });
}

ExpressionId JsonValues::number() {
  return shared(number_, "number", [&] {
    const auto nonzero =
        grammar_.sequence({grammar_.characters({{'1', '9'}}), digits(0, kDigitsMax - 1)});
    const auto fraction = grammar_.sequence({grammar_.literal("."), digits(1, kFractionMax)});
    const auto exponent = grammar_.sequence(
        {grammar_.one_of({"e", "E"}), grammar_.one_of({"", "+", "-"}), digits(1, kExponentMax)});
    return grammar_.sequence({grammar_.optional(grammar_.literal("-")),
                              grammar_.choice({grammar_.literal("0"), nonzero}),
                              grammar_.optional(fraction), grammar_.optional(exponent)});
  });
}

ExpressionId JsonValues::character() {
  const CodePointSet hex{{'0', '9'}, {'A', 'F'}, {'a', 'f'}};
  const auto number = [&](const CodePointSet& first, const CodePointSet& second) {
    return grammar_.sequence({grammar_.literal("\\u"), grammar_.characters(first),
                              grammar_.characters(second),
                              grammar_.repeat(grammar_.characters(hex), 2, 2)});
  };
  const CodePointSet d{{'D', 'D'}, {'d', 'd'}};
  const CodePointSet high{{'8', '9'}, {'A', 'B'}, {'a', 'b'}}, low{{'C', 'F'}, {'c', 'f'}};
  return grammar_.choice(
      {grammar_.characters(plain_characters()),
       grammar_.one_of({"\\\"", "\\\\", "\\/", "\\b", "\\f", "\\n", "\\r", "\\t"}),
       number(hex & ~d, hex), number(d, {{'0', '7'}}),
       grammar_.sequence({number(d, high), number(d, low)})});
}

ExpressionId JsonValues::any_characters() { return grammar_.repeat(character(), 0, kUnbounded); }

ExpressionId JsonValues::string() {
  return shared(string_, "string", [&] {
    return grammar_.sequence({grammar_.literal("\""), any_characters(), grammar_.literal("\"")});
  });
}

ExpressionId JsonValues::string(uint32_t min, uint32_t max) {
  const auto [found, fresh] = strings_.try_emplace({min, max});
  if (fresh) {
    found->second = grammar_.declare("string", true);
    // Without \u: a character then needs fewer states, and each of them is needed `max` times.
    const auto one = spelled(CodePointSet::all());
    grammar_.define(found->second,
                    grammar_.sequence({grammar_.literal("\""), grammar_.repeat(one, min, max),
                                       grammar_.literal("\"")}));
  }
  return grammar_.call(found->second);
}

ExpressionId JsonValues::spelled(const CodePointSet& set) {
  std::vector<ExpressionId> spellings{grammar_.characters(set & plain_characters())};
  std::vector<std::string> escaped;
  const CodePointSet rest = set & ~plain_characters();
  for (const auto& [first, last] : rest.ranges()) {
    for (char32_t c = first; c <= last; ++c) escaped.push_back(unquoted(c));
  }
  if (!escaped.empty()) spellings.push_back(grammar_.one_of(std::move(escaped)));
  return grammar_.choice(std::move(spellings));
}

ExpressionId JsonValues::other_key(std::vector<std::string> names) {
  std::erase_if(names, [](const std::string& name) {
    return json_quoted(name).size() != name.size() + 2;  // can't be written without escapes
  });
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return grammar_.sequence({grammar_.literal("\""), other(names, 0)});
}

// What may follow the first `from` bytes, which all of `names` have in common.
ExpressionId JsonValues::other(const std::vector<std::string>& names, size_t from) {
  std::vector<ExpressionId> ways;
  std::map<char32_t, std::vector<std::string>> next;
  bool whole = false;
  for (const std::string& name : names) {
    if (name.size() == from)
      whole = true;
    else
      next[text::utf8_step(std::string_view(name).substr(from)).code_point].push_back(name);
  }
  if (!whole) ways.push_back(grammar_.literal("\""));
  CodePointSet different = plain_characters();
  for (const auto& [c, with] : next) {
    different = different & ~CodePointSet::of(c);
    std::string bytes;
    text::append_utf8(bytes, c);
    ways.push_back(grammar_.sequence({grammar_.literal(bytes), other(with, from + bytes.size())}));
  }
  ways.push_back(
      grammar_.sequence({grammar_.characters(different),
                         grammar_.repeat(grammar_.characters(plain_characters()), 0, kUnbounded),
                         grammar_.literal("\"")}));
  return grammar_.choice(std::move(ways));
}

}  // namespace baton::constraint
