#include "model/constraint/grammar/grammar.h"

#include <utility>

#include "base/result.h"

namespace baton::constraint {

using Kind = Expression::Kind;

ExpressionId Grammar::add(Expression expression) {
  if (expressions_.size() >= limits_.expressions_max) {
    too_large_ = true;
    return ExpressionId(0);
  }
  expressions_.push_back(std::move(expression));
  return ExpressionId(static_cast<uint32_t>(expressions_.size() - 1));
}

ExpressionId Grammar::literal(std::string_view bytes) {
  return add({.kind = Kind::literal, .bytes = std::string(bytes)});
}

ExpressionId Grammar::characters(CodePointSet set) {
  return add({.kind = Kind::set, .set = std::move(set)});
}

ExpressionId Grammar::one_of(std::vector<std::string> texts) {
  return add({.kind = Kind::literals, .texts = std::move(texts)});
}

ExpressionId Grammar::sequence(std::vector<ExpressionId> parts) {
  if (parts.size() == 1) return parts.front();
  return add({.kind = Kind::sequence, .parts = std::move(parts)});
}

ExpressionId Grammar::choice(std::vector<ExpressionId> parts) {
  if (parts.size() == 1) return parts.front();
  return add({.kind = Kind::choice, .parts = std::move(parts)});
}

ExpressionId Grammar::repeat(ExpressionId part, uint32_t min, uint32_t max) {
  check(min <= max, "a repetition's bounds are in order");
  return add({.kind = Kind::repeat, .parts = {part}, .min = min, .max = max});
}

ExpressionId Grammar::list(ExpressionId before, std::vector<ListItem> items, ExpressionId between,
                           ExpressionId after) {
  return add({.kind = Kind::list, .parts = {before, between, after}, .items = std::move(items)});
}

ExpressionId Grammar::call(RuleId rule) { return add({.kind = Kind::rule, .rule = rule}); }

RuleId Grammar::declare(std::string name, bool shared) {
  if (rules_.size() >= limits_.rules_max) {
    too_large_ = true;
    if (!rules_.empty()) return RuleId(0);
  }
  rules_.push_back({.name = std::move(name), .shared = shared});
  return RuleId(static_cast<uint32_t>(rules_.size() - 1));
}

void Grammar::define(RuleId rule, ExpressionId body) {
  Rule& defined = rules_[static_cast<size_t>(rule)];
  defined.body = body;
  defined.defined = true;
}

}  // namespace baton::constraint
