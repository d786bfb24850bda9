#include "model/constraint/grammar/rule_plan.h"

#include <algorithm>

namespace baton::constraint {

namespace {

using Kind = Expression::Kind;

constexpr uint64_t kCopiedStatesMax = 64;  // of a rule that is copied more than once
constexpr uint64_t kSetStates = 8;         // of a set of characters, about
constexpr uint64_t kHuge = 1u << 30;

// Walks from the root. A rule that is met again while it is walked is recursive: it is called, as
// is at least one rule of every cycle.
class Planner {
 public:
  explicit Planner(const Grammar& grammar)
      : grammar_(grammar),
        mark_(grammar.rules().size()),
        uses_(grammar.rules().size()),
        recursive_(grammar.rules().size()),
        size_(grammar.rules().size()) {}

  Result<RulePlan> plan() {
    visit(grammar_.root());
    if (!missing_.empty()) {
      return fail(ErrorCode::invalid_argument, "the rule \"{}\" is not defined", missing_);
    }
    RulePlan plan;
    plan.called.assign(grammar_.rules().size(), RulePlan::kCopied);
    plan.rules.push_back(grammar_.root());
    for (const RuleId rule : order_) {
      if (rule != grammar_.root() && is_called(rule)) plan.rules.push_back(rule);
    }
    for (uint32_t i = 0; i < plan.rules.size(); ++i) plan.called[index(plan.rules[i])] = i;
    find_nullable(plan);
    return plan;
  }

 private:
  static size_t index(RuleId rule) { return static_cast<size_t>(rule); }

  bool is_called(RuleId rule) const {
    const size_t i = index(rule);
    return grammar_[rule].shared || recursive_[i] || (uses_[i] > 1 && size_[i] > kCopiedStatesMax);
  }

  void visit(RuleId rule) {
    const size_t i = index(rule);
    if (!grammar_[rule].defined) {
      missing_ = grammar_[rule].name;
      return;
    }
    mark_[i] = 1;
    size_[i] = walk(grammar_[rule].body);
    mark_[i] = 2;
    order_.push_back(rule);
  }

  // About how many states the expression becomes.
  uint64_t walk(ExpressionId id) {
    const Expression& e = grammar_[id];
    switch (e.kind) {
      case Kind::nothing:
        return 0;
      case Kind::literal:
        return e.bytes.size();
      case Kind::set:
        return kSetStates;
      case Kind::literals:
        return e.texts.size() * kSetStates;
      case Kind::rule:
        return walk_rule(e.rule);
      default:
        break;
    }
    uint64_t size = 1;
    for (const ExpressionId part : e.parts) size += walk(part);
    for (const ListItem& item : e.items) size += 2 + walk(item.expression);
    if (e.kind == Kind::repeat) size *= e.max == kUnbounded ? e.min + 1 : std::max(e.max, 1u);
    return std::min(size, kHuge);
  }

  uint64_t walk_rule(RuleId rule) {
    const size_t i = index(rule);
    ++uses_[i];
    if (mark_[i] == 1) recursive_[i] = true;
    if (mark_[i] == 0) visit(rule);
    return is_called(rule) ? 1 : std::max<uint64_t>(size_[i], 1);
  }

  void find_nullable(RulePlan& plan) const {
    plan.nullable.assign(grammar_.rules().size(), false);
    for (bool again = true; again;) {
      again = false;
      for (const RuleId rule : order_) {
        if (plan.nullable[index(rule)] || !nullable(grammar_[rule].body, plan)) continue;
        plan.nullable[index(rule)] = again = true;
      }
    }
  }

  bool nullable(ExpressionId id, const RulePlan& plan) const {
    const Expression& e = grammar_[id];
    const auto null = [&](ExpressionId part) { return nullable(part, plan); };
    switch (e.kind) {
      case Kind::nothing:
      case Kind::set:
        return false;
      case Kind::literal:
        return e.bytes.empty();
      case Kind::literals:
        return std::ranges::any_of(e.texts, &std::string::empty);
      case Kind::sequence:
        return std::ranges::all_of(e.parts, null);
      case Kind::choice:
        return std::ranges::any_of(e.parts, null);
      case Kind::repeat:
        return e.min == 0 || null(e.parts[0]);
      case Kind::list:
        return std::ranges::none_of(e.items, &ListItem::required) ||
               (null(e.parts[0]) && null(e.parts[1]) && null(e.parts[2]) &&
                std::ranges::all_of(e.items, [&](const ListItem& item) {
                  return !item.required || null(item.expression);
                }));
      case Kind::rule:
        return plan.nullable[index(e.rule)];
    }
    return false;
  }

  const Grammar& grammar_;
  std::vector<uint8_t> mark_;  // 0: not met, 1: being walked, 2: done
  std::vector<uint32_t> uses_;
  std::vector<bool> recursive_;
  std::vector<uint64_t> size_;
  std::vector<RuleId> order_;  // a rule after those that it uses, but for cycles
  std::string missing_;
};

}  // namespace

Result<RulePlan> plan_rules(const Grammar& grammar) { return Planner(grammar).plan(); }

}  // namespace baton::constraint
