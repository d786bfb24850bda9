// The expressions of the interpreter.
#include <utility>

#include "model/text/jinja/interpreter.h"

namespace baton::text::jinja {

Result<Value> Interpreter::evaluate(const Expr& expr) {
  BATON_CHECKED(enter());
  auto value = evaluate_checked(expr);
  leave();
  return value;
}

Result<Value> Interpreter::evaluate_checked(const Expr& expr) {
  const auto operand = [&](size_t i) { return evaluate(*expr.args[i]); };
  switch (expr.kind) {
    case Expr::Kind::literal:
      return expr.value;
    case Expr::Kind::name:
      return lookup(expr);
    case Expr::Kind::list:
    case Expr::Kind::tuple:
      return make_list(expr);
    case Expr::Kind::dict:
      return make_dict(expr);
    case Expr::Kind::attribute: {
      BATON_TRY(object, operand(0));
      return get_attribute(object, expr.name, heap_);
    }
    case Expr::Kind::item: {
      BATON_TRY(object, operand(0));
      BATON_TRY(key, operand(1));
      return get_item(object, key, heap_);
    }
    case Expr::Kind::slice:
      return slice(expr);
    case Expr::Kind::call:
      return call(expr, nullptr);
    case Expr::Kind::filter:
      return filter(expr, nullptr);
    case Expr::Kind::test: {
      if (!expr.args[0]) return mistake("a test stands where a filter is needed");
      BATON_TRY(value, operand(0));
      BATON_TRY(args, arguments(expr, 1));
      BATON_TRY(holds, apply_test(expr.name, value, args, heap_));
      return Value::of_bool(holds);
    }
    case Expr::Kind::negation: {
      BATON_TRY(value, operand(0));
      return Value::of_bool(!truth(value));
    }
    case Expr::Kind::minus: {
      BATON_TRY(value, operand(0));
      return negate(value);
    }
    case Expr::Kind::plus:
      return operand(0);
    case Expr::Kind::binary: {
      BATON_TRY(left, operand(0));
      BATON_TRY(right, operand(1));
      return calculate(expr.name, left, right, heap_);
    }
    case Expr::Kind::compare:
      return compare(expr);
    case Expr::Kind::both: {
      BATON_TRY(left, operand(0));
      return truth(left) ? operand(1) : Result<Value>(left);
    }
    case Expr::Kind::either: {
      BATON_TRY(left, operand(0));
      return truth(left) ? Result<Value>(left) : operand(1);
    }
    case Expr::Kind::conditional: {
      BATON_TRY(condition, operand(1));
      if (truth(condition)) return operand(0);
      return expr.args[2] ? operand(2) : Result<Value>(Value());
    }
  }
  return Value();
}

Result<Value> Interpreter::lookup(const Expr& expr) {
  const Value* found = find(expr.name);
  return found ? *found : Value();
}

Result<Value> Interpreter::make_list(const Expr& expr) {
  std::vector<Value> items;
  for (const Expr* arg : expr.args) {
    BATON_TRY(item, evaluate(*arg));
    items.push_back(item);
  }
  return heap_.list(std::move(items), expr.kind == Expr::Kind::tuple);
}

Result<Value> Interpreter::make_dict(const Expr& expr) {
  BATON_TRY(dict, heap_.dict());
  for (size_t i = 0; i + 1 < expr.args.size(); i += 2) {
    BATON_TRY(key, evaluate(*expr.args[i]));
    BATON_TRY(value, evaluate(*expr.args[i + 1]));
    if (!key.is(Kind::text) && !key.numeric() && !key.is(Kind::none)) {
      return mistake("a {} can't be a key", kind_name(key));
    }
    dict->set(key, value);
  }
  return heap_.value(dict);
}

Result<Value> Interpreter::slice(const Expr& expr) {
  BATON_TRY(object, evaluate(*expr.args[0]));
  Value parts[3];
  const Value* given[3] = {nullptr, nullptr, nullptr};
  for (size_t i = 0; i < 3; ++i) {
    if (!expr.args[i + 1]) continue;
    BATON_TRY(part, evaluate(*expr.args[i + 1]));
    parts[i] = part;
    given[i] = &parts[i];
  }
  return get_slice(object, given[0], given[1], given[2], heap_);
}

Result<Value> Interpreter::compare(const Expr& expr) {
  BATON_TRY(first, evaluate(*expr.args[0]));
  Value left = first;
  for (size_t i = 0; i < expr.operators.size(); ++i) {
    BATON_TRY(right, evaluate(*expr.args[i + 1]));
    const std::string& op = expr.operators[i];
    bool holds = false;
    if (op == "in" || op == "not in") {
      BATON_TRY(within, contains(right, left, heap_));
      holds = within == (op == "in");
    } else if (op == "==" || op == "!=") {
      BATON_TRY(same, equal(left, right, heap_));
      holds = same == (op == "==");
    } else {
      BATON_TRY(sign, order(left, right, heap_));
      holds = op == "<" ? sign < 0 : op == "<=" ? sign <= 0 : op == ">" ? sign > 0 : sign >= 0;
    }
    if (!holds) return Value::of_bool(false);
    left = right;
  }
  return Value::of_bool(true);
}

Result<Value> Interpreter::filter(const Expr& expr, const Value* input) {
  if (expr.kind != Expr::Kind::filter) return mistake("a filter is needed");
  Value value;
  const Expr* inner = expr.args[0];
  if (!inner) {
    if (!input) return mistake("a filter has no input");
    value = *input;
  } else if (input) {
    // A chain of filters on the text of a block: its innermost one has no input of its own.
    BATON_TRY(filtered, filter(*inner, input));
    value = filtered;
  } else {
    BATON_TRY(evaluated, evaluate(*inner));
    value = evaluated;
  }
  BATON_TRY(args, arguments(expr, 1));
  return apply_filter(expr.name, value, args, heap_);
}

}  // namespace baton::text::jinja
