// Arithmetic and concatenation, as Python's.
#include <cmath>
#include <utility>

#include "model/text/jinja/interpreter.h"

namespace baton::text::jinja {
namespace {

Error overflow() { return mistake("a number grows too large"); }

Result<Value> repeat(const Value& value, int64_t times, Heap& heap) {
  const auto count = static_cast<size_t>(std::max<int64_t>(times, 0));
  const bool is_text = value.is(Kind::text);
  const size_t size = is_text ? value.text->size() : value.list->items.size();
  if (size > 0 && count > heap.limits().text_bytes_max / size) {
    return mistake("a repeated value grows too long");
  }
  BATON_CHECKED(heap.charge(count));
  if (is_text) {
    Text out;
    for (size_t i = 0; i < count; ++i) out.append(*value.text);
    return heap.text(std::move(out));
  }
  BATON_CHECKED(heap.charge(count * size));
  std::vector<Value> items;
  for (size_t i = 0; i < count; ++i) {
    items.insert(items.end(), value.list->items.begin(), value.list->items.end());
  }
  return heap.list(std::move(items), value.list->tuple);
}

int64_t as_int(const Value& v) { return v.is(Kind::boolean) ? v.boolean : v.integer; }

Result<Value> whole(std::string_view op, int64_t a, int64_t b, bool trusted) {
  int64_t result = 0;
  if (op == "+") {
    if (__builtin_add_overflow(a, b, &result)) return overflow();
  } else if (op == "-") {
    if (__builtin_sub_overflow(a, b, &result)) return overflow();
  } else if (op == "*") {
    if (__builtin_mul_overflow(a, b, &result)) return overflow();
  } else if (op == "**") {
    const double power = std::pow(static_cast<double>(a), static_cast<double>(b));
    if (b < 0) return Value::of_number(power, trusted);
    if (!(std::abs(power) < 9e15)) return overflow();  // doubles are exact below 2^53
    result = static_cast<int64_t>(power);
  } else {
    if (b == 0) return mistake("a division by zero");
    if (a == INT64_MIN && b == -1) return overflow();
    if (op == "/") {
      return Value::of_number(static_cast<double>(a) / static_cast<double>(b), trusted);
    }
    const bool uneven = a % b != 0 && (a < 0) != (b < 0);
    result = op == "//" ? a / b - uneven : a % b + (uneven ? b : 0);
  }
  return Value::of_int(result, trusted);
}

Result<Value> real(std::string_view op, double a, double b, bool trusted) {
  if (op == "+") return Value::of_number(a + b, trusted);
  if (op == "-") return Value::of_number(a - b, trusted);
  if (op == "*") return Value::of_number(a * b, trusted);
  if (op == "**") return Value::of_number(std::pow(a, b), trusted);
  if (b == 0) return mistake("a division by zero");
  if (op == "/") return Value::of_number(a / b, trusted);
  const double quotient = std::floor(a / b);
  return Value::of_number(op == "//" ? quotient : a - quotient * b, trusted);
}

}  // namespace

Result<Value> calculate(std::string_view op, const Value& a, const Value& b, Heap& heap) {
  BATON_CHECKED(heap.charge(1));
  if (op == "~") {
    BATON_TRY(left, to_text(a, heap));
    BATON_TRY(right, to_text(b, heap));
    BATON_CHECKED(heap.charge((left.size() + right.size()) / 64));
    left.append(right);
    return heap.text(std::move(left));
  }
  if (a.numeric() && b.numeric()) {
    const bool trusted = a.trusted && b.trusted;
    if (a.is(Kind::number) || b.is(Kind::number)) {
      return real(op, as_double(a), as_double(b), trusted);
    }
    return whole(op, as_int(a), as_int(b), trusted);
  }
  if (op == "+" && a.is(Kind::text) && b.is(Kind::text)) {
    BATON_CHECKED(heap.charge((a.text->size() + b.text->size()) / 64));
    Text out = *a.text;
    out.append(*b.text);
    return heap.text(std::move(out));
  }
  if (op == "+" && a.is(Kind::list) && b.is(Kind::list) && a.list->tuple == b.list->tuple) {
    BATON_CHECKED(heap.charge(a.list->items.size() + b.list->items.size()));
    auto items = a.list->items;
    items.insert(items.end(), b.list->items.begin(), b.list->items.end());
    return heap.list(std::move(items), a.list->tuple);
  }
  const auto repeats = [](const Value& x, const Value& n) {
    return (x.is(Kind::text) || x.is(Kind::list)) && n.is(Kind::integer);
  };
  if (op == "*" && repeats(a, b)) return repeat(a, b.integer, heap);
  if (op == "*" && repeats(b, a)) return repeat(b, a.integer, heap);
  return mistake("'{}' does not work on a {} and a {}", op, kind_name(a), kind_name(b));
}

Result<Value> negate(const Value& value) {
  if (value.is(Kind::number)) return Value::of_number(-value.number, value.trusted);
  if (!value.numeric()) return mistake("a {} can't be negated", kind_name(value));
  return whole("-", 0, as_int(value), value.trusted);
}

}  // namespace baton::text::jinja
