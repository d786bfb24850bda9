// Tests, as in `value is string`.
#include "model/text/jinja/builtins.h"

namespace baton::text::jinja {
namespace {

// The comparison that a test of that name makes, or an empty text.
std::string_view comparison_named(std::string_view name) {
  if (name == "eq" || name == "equalto" || name == "==") return "==";
  if (name == "ne" || name == "!=") return "!=";
  if (name == "lt" || name == "lessthan" || name == "<") return "<";
  if (name == "le" || name == "<=") return "<=";
  if (name == "gt" || name == "greaterthan" || name == ">") return ">";
  if (name == "ge" || name == ">=") return ">=";
  return {};
}

Result<bool> compare(std::string_view how, const Value& a, const Value& b, Heap& heap) {
  if (how == "==" || how == "!=") {
    BATON_TRY(same, equal(a, b, heap));
    return same == (how == "==");
  }
  BATON_TRY(sign, order(a, b, heap));
  if (how == "<") return sign < 0;
  if (how == "<=") return sign <= 0;
  return how == ">" ? sign > 0 : sign >= 0;
}

Result<bool> with_argument(std::string_view name, const Value& input, const Value& argument,
                           Heap& heap) {
  if (name == "in") return contains(argument, input, heap);
  if (name == "sameas") {
    if (input.kind != argument.kind) return false;
    if (input.is(Kind::list)) return input.list == argument.list;
    if (input.is(Kind::dict)) return input.dict == argument.dict;
    return equal(input, argument, heap);
  }
  if (name == "divisibleby") {
    if (!input.is(Kind::integer) || !argument.is(Kind::integer) || argument.integer == 0) {
      return mistake("divisibleby needs whole numbers");
    }
    return argument.integer == -1 || input.integer % argument.integer == 0;
  }
  return compare(comparison_named(name), input, argument, heap);
}

bool is_lower_or_upper(std::string_view text, bool upper) {
  bool cased = false;
  for (const char c : text) {
    if (upper ? (c >= 'a' && c <= 'z') : (c >= 'A' && c <= 'Z')) return false;
    cased = cased || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  }
  return cased;
}

}  // namespace

Result<bool> apply_test(std::string_view name, const Value& input, const Arguments& arguments,
                        Heap& heap) {
  BATON_CHECKED(heap.charge(1));
  const Kind kind = input.kind;
  if (name == "defined") return kind != Kind::undefined;
  if (name == "undefined") return kind == Kind::undefined;
  if (name == "none") return kind == Kind::none;
  if (name == "string") return kind == Kind::text;
  if (name == "boolean") return kind == Kind::boolean;
  if (name == "true") return kind == Kind::boolean && input.boolean;
  if (name == "false") return kind == Kind::boolean && !input.boolean;
  if (name == "integer") return kind == Kind::integer;
  if (name == "float") return kind == Kind::number;
  if (name == "number") return input.numeric();
  if (name == "mapping") return kind == Kind::dict && !input.dict->is_namespace;
  if (name == "sequence") return kind == Kind::list || kind == Kind::text || kind == Kind::dict;
  if (name == "iterable") {
    return kind == Kind::list || kind == Kind::text || kind == Kind::dict ||
           kind == Kind::undefined;
  }
  if (name == "callable") return kind == Kind::callable;
  if (name == "lower" || name == "upper") {
    return kind == Kind::text && is_lower_or_upper(input.bytes(), name == "upper");
  }
  if (name == "odd" || name == "even") {
    if (kind != Kind::integer) return mistake("'{}' needs a whole number", name);
    return (input.integer % 2 != 0) == (name == "odd");
  }
  const bool binary =
      name == "in" || name == "sameas" || name == "divisibleby" || !comparison_named(name).empty();
  if (!binary) return mistake("there is no test '{}'", name);
  const Value* argument = arguments.get(0, "other");
  if (!argument) return mistake("the test '{}' needs an argument", name);
  return with_argument(name, input, *argument, heap);
}

}  // namespace baton::text::jinja
