// JsonValues: the parts of JSON texts as rules of a grammar, declared when they are first used.
//
// White space is what models write and no more, so that none can go on for ever: between the
// parts of an object or array nothing, one space, or a line end and its indentation (24 spaces or 8
// tabs at most); one space or none behind a colon; none before and behind the whole. Numbers have
// at most 18 digits, a fraction of at most 17 and an exponent of at most 2, so each is finite and
// an integer fits 64 bits. Half of a surrogate pair is never written. Thread safety: values.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "model/constraint/grammar/grammar.h"

namespace baton::constraint {

constexpr uint32_t kDigitsMax = 18;

class JsonValues {
 public:
  explicit JsonValues(Grammar& grammar) : grammar_(grammar) {}

  ExpressionId value();
  ExpressionId object();
  ExpressionId array();
  ExpressionId string();
  ExpressionId number();
  ExpressionId integer();
  ExpressionId boolean() { return grammar_.one_of({"true", "false"}); }
  ExpressionId null() { return grammar_.literal("null"); }

  // A string of `min` to `max` characters.
  ExpressionId string(uint32_t min, uint32_t max);
  // A key that is none of `names`, written without escapes.
  ExpressionId other_key(std::vector<std::string> names);
  // key: with its quotes.
  ExpressionId member(ExpressionId key, ExpressionId value);
  ExpressionId object_of(std::vector<ListItem> members);
  // items: in order; `rest`, if any, `min` to `max` times behind them.
  ExpressionId array_of(const std::vector<ExpressionId>& items, std::optional<ExpressionId> rest,
                        uint32_t min, uint32_t max);

  // One character of a set, and any number of any characters, as a string's inside spells them.
  ExpressionId spelled(const CodePointSet& set);
  ExpressionId any_characters();

 private:
  template <class Body>
  ExpressionId shared(std::optional<RuleId>& rule, const char* name, const Body& body);
  ExpressionId character();  // any, in each of its spellings
  ExpressionId space();
  ExpressionId comma();
  ExpressionId digits(uint32_t min, uint32_t max);
  ExpressionId other(const std::vector<std::string>& names, size_t from);

  Grammar& grammar_;
  std::optional<RuleId> value_, object_, array_, string_, number_, integer_, space_;
  std::map<std::pair<uint32_t, uint32_t>, RuleId> strings_;  // by length
};

// `text` as JSON writes it, with quotes.
std::string json_quoted(std::string_view text);

}  // namespace baton::constraint
