// Grammar: a language over bytes as a tree of expressions, with rules that may call each other.
//
// Front ends (languages/) build it; Automaton compiles it. Characters are Unicode code points and
// mean their UTF-8. An expression may be used several times. Building never fails: what is over a
// limit is left out, and compile() then says so. Thread safety: values.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "model/text/pattern/code_point_set.h"

namespace baton::constraint {

using text::pattern::CodePointSet;

// What a specification may cost, wherever it is compiled.
struct Limits {
  size_t text_bytes_max = 64 * 1024;
  uint32_t depth_max = 64;            // of groups in a pattern or a grammar
  uint32_t schema_depth_max = 16;     // of schemas in a schema
  uint32_t schemas_max = 512;         // schemas in a schema
  uint32_t choices_max = 1024;        // of a choice
  uint32_t repeats_max = 4096;        // copies of what is repeated
  uint32_t rules_max = 1024;          // of a grammar
  uint32_t expressions_max = 65'536;  // of all rules together
  uint32_t nfa_states_max = 400'000;
  uint32_t states_max = 32'000;     // of the automaton
  uint64_t steps_max = 20'000'000;  // of compilation: a fraction of a second
};

constexpr uint32_t kUnbounded = std::numeric_limits<uint32_t>::max();

enum class ExpressionId : uint32_t {};
enum class RuleId : uint32_t {};

// One of the items of a list, in their order.
struct ListItem {
  ExpressionId expression{};
  bool required = false;
  bool repeats = false;  // any number of times; only the last
};

struct Expression {
  enum class Kind : uint8_t {
    nothing,   // matches no text at all
    literal,   // `bytes`
    set,       // one character of `set`
    literals,  // one of `texts`
    sequence,  // `parts`, one after the other
    choice,    // one of `parts`
    repeat,    // parts[0], `min` to `max` times
    list,      // see Grammar::list
    rule,      // `rule`
  };
  Kind kind = Kind::nothing;
  std::string bytes;
  CodePointSet set;
  std::vector<std::string> texts;
  std::vector<ExpressionId> parts;
  std::vector<ListItem> items;
  uint32_t min = 0, max = 0;
  RuleId rule{};
};

struct Rule {
  std::string name;  // for sentences
  ExpressionId body{};
  bool defined = false;
  bool shared = false;  // called, never copied to where it is used
};

class Grammar {
 public:
  explicit Grammar(const Limits& limits = {}) : limits_(limits) {}

  ExpressionId nothing() { return add({}); }
  ExpressionId empty() { return literal(""); }
  ExpressionId literal(std::string_view bytes);
  ExpressionId characters(CodePointSet set);
  ExpressionId one_of(std::vector<std::string> texts);
  ExpressionId sequence(std::vector<ExpressionId> parts);
  ExpressionId choice(std::vector<ExpressionId> parts);
  ExpressionId repeat(ExpressionId part, uint32_t min, uint32_t max);
  ExpressionId optional(ExpressionId part) { return repeat(part, 0, 1); }
  // Some of `items` in their order, all required ones among them, `between` two of them; `before`
  // the first and `after` the last if there is any.
  ExpressionId list(ExpressionId before, std::vector<ListItem> items, ExpressionId between,
                    ExpressionId after);
  ExpressionId call(RuleId rule);

  RuleId declare(std::string name, bool shared = false);
  void define(RuleId rule, ExpressionId body);
  void set_root(RuleId rule) { root_ = rule; }

  RuleId root() const { return root_; }
  const Limits& limits() const { return limits_; }
  const std::vector<Rule>& rules() const { return rules_; }
  const Expression& operator[](ExpressionId id) const {
    return expressions_[static_cast<size_t>(id)];
  }
  const Rule& operator[](RuleId id) const { return rules_[static_cast<size_t>(id)]; }
  bool too_large() const { return too_large_; }

 private:
  ExpressionId add(Expression expression);

  Limits limits_;
  std::vector<Expression> expressions_;
  std::vector<Rule> rules_;
  RuleId root_{};
  bool too_large_ = false;
};

}  // namespace baton::constraint
