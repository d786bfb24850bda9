// Filters, as in `value | trim`.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <utility>

#include "model/text/jinja/builtins.h"
#include "model/text/jinja/json.h"

namespace baton::text::jinja {
namespace {

using Filter = Result<Value> (*)(const Value&, const Arguments&, Heap&);

// A value as text, for filters that work on any value's text.
Result<Value> as_text(const Value& input, Heap& heap) {
  if (input.is(Kind::text)) return input;
  BATON_TRY(text, to_text(input, heap));
  return heap.text(std::move(text));
}

// An item or attribute; of a mapping always the item, whatever it is called.
Result<Value> find_named(const Value& value, std::string_view name, Heap& heap) {
  if (!value.is(Kind::dict)) return get_attribute(value, name, heap);
  const Value* found = value.dict->find(name);
  return found ? *found : Value();
}

// value.a.b.0, as the attribute arguments of filters name it.
Result<Value> deep_attribute(Value value, const Value& path, Heap& heap) {
  if (path.is(Kind::integer)) return get_item(value, path, heap);
  if (!path.is(Kind::text)) return mistake("an attribute must be named by a text");
  std::string_view rest = path.bytes();
  while (!rest.empty()) {
    const auto name = rest.substr(0, rest.find('.'));
    rest.remove_prefix(std::min(rest.size(), name.size() + 1));
    int64_t index = 0;
    const auto parsed = std::from_chars(name.data(), name.data() + name.size(), index);
    const bool number = parsed.ec == std::errc() && parsed.ptr == name.data() + name.size();
    BATON_TRY(next,
              number ? get_item(value, Value::of_int(index), heap) : find_named(value, name, heap));
    value = next;
  }
  return value;
}

Result<Value> length(const Value& input, const Arguments&, Heap& heap) {
  if (input.is(Kind::text)) {
    BATON_CHECKED(heap.charge(input.text->size() / 64));
    return Value::of_int(static_cast<int64_t>(code_point_count(input.bytes())));
  }
  if (input.is(Kind::list)) return Value::of_int(static_cast<int64_t>(input.list->items.size()));
  if (input.is(Kind::dict)) return Value::of_int(static_cast<int64_t>(input.dict->entries.size()));
  if (input.is(Kind::undefined)) return Value::of_int(0);
  return mistake("a {} has no length", kind_name(input));
}

Result<Value> trim(const Value& input, const Arguments& arguments, Heap& heap) {
  BATON_TRY(text, as_text(input, heap));
  return strip(text, arguments.get(0, "chars"), true, true, heap);
}

template <char how>
Result<Value> recase(const Value& input, const Arguments&, Heap& heap) {
  BATON_TRY(text, as_text(input, heap));
  return change_case(text,
                     how == 'u'   ? "upper"
                     : how == 'l' ? "lower"
                     : how == 't' ? "title"
                                  : "capitalize",
                     heap);
}

Result<Value> replaced(const Value& input, const Arguments& arguments, Heap& heap) {
  BATON_TRY(text, as_text(input, heap));
  return replace(text, arguments, heap);
}

Result<Value> fallback(const Value& input, const Arguments& arguments, Heap& heap) {
  const bool falsy = arguments.flag(1, "boolean") && !truth(input);
  if (!input.is(Kind::undefined) && !falsy) return input;
  const Value* other = arguments.get(0, "default_value");
  return other ? *other : heap.text(Text());
}

Result<Value> join(const Value& input, const Arguments& arguments, Heap& heap) {
  BATON_TRY(items, elements(input, heap));
  const Value* separator = arguments.get(0, "d");
  const Value* attribute = arguments.get(1, "attribute");
  Text between;
  if (separator) {
    BATON_TRY(text, to_text(*separator, heap));
    between = std::move(text);
  }
  Text out;
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out.append(between);
    Value item = items[i];
    if (attribute) {
      BATON_TRY(field, deep_attribute(item, *attribute, heap));
      item = field;
    }
    BATON_TRY(text, to_text(item, heap));
    out.append(text);
    BATON_CHECKED(heap.charge(1 + (text.size() + between.size()) / 16));
    if (out.size() > heap.limits().text_bytes_max) return mistake("a text grows too long");
  }
  return heap.text(std::move(out));
}

Result<Value> first(const Value& input, const Arguments&, Heap& heap) {
  BATON_TRY(items, elements(input, heap));
  return items.empty() ? Value() : items.front();
}

Result<Value> last(const Value& input, const Arguments&, Heap& heap) {
  BATON_TRY(items, elements(input, heap));
  return items.empty() ? Value() : items.back();
}

Result<Value> reverse(const Value& input, const Arguments&, Heap& heap) {
  BATON_TRY(items, elements(input, heap));
  std::reverse(items.begin(), items.end());
  if (!input.is(Kind::text)) return heap.list(std::move(items));
  Text out;
  for (const auto& item : items) out.append(*item.text);
  return heap.text(std::move(out));
}

Result<Value> list(const Value& input, const Arguments&, Heap& heap) {
  BATON_TRY(items, elements(input, heap));
  return heap.list(std::move(items));
}

Result<Value> items(const Value& input, const Arguments&, Heap& heap) {
  if (input.is(Kind::undefined)) return heap.list({});
  if (!input.is(Kind::dict)) return mistake("items needs a mapping, not a {}", kind_name(input));
  return pair_list(*input.dict, heap);
}

Result<Value> string(const Value& input, const Arguments&, Heap& heap) {
  return as_text(input, heap);
}

Result<Value> unchanged(const Value& input, const Arguments&, Heap&) { return input; }

Result<Value> escape(const Value& input, const Arguments&, Heap& heap) {
  BATON_TRY(text, as_text(input, heap));
  BATON_CHECKED(heap.charge(text.text->size() / 8));
  Text out;
  for (size_t i = 0; i < text.text->size(); ++i) {
    switch (text.bytes()[i]) {
      case '&':
        out.append("&amp;", false);
        break;
      case '<':
        out.append("&lt;", false);
        break;
      case '>':
        out.append("&gt;", false);
        break;
      case '"':
        out.append("&#34;", false);
        break;
      case '\'':
        out.append("&#39;", false);
        break;
      default:
        out.append(*text.text, i, i + 1);
    }
  }
  return heap.text(std::move(out));
}

Result<Value> tojson(const Value& input, const Arguments& arguments, Heap& heap) {
  JsonStyle style;
  // Jinja's own takes the indent first, the reference renderer's the flag ensure_ascii.
  const Value* indent = arguments.get(1, "indent");
  if (!arguments.positional.empty() && arguments.positional[0].is(Kind::integer)) {
    indent = &arguments.positional[0];
  }
  if (indent && indent->is(Kind::integer)) {
    style.indent = static_cast<int>(std::clamp<int64_t>(indent->integer, 0, 16));
  }
  const Value* separators = arguments.get(2, "separators");
  if (separators && separators->is(Kind::list) && separators->list->items.size() == 2 &&
      separators->list->items[0].is(Kind::text) && separators->list->items[1].is(Kind::text)) {
    style.between_items = separators->list->items[0].bytes();
    style.after_key = separators->list->items[1].bytes();
  }
  style.sort_keys = arguments.flag(3, "sort_keys");
  BATON_TRY(text, to_json(input, style, heap));
  return heap.text(std::move(text));
}

Result<Value> indent(const Value& input, const Arguments& arguments, Heap& heap) {
  BATON_TRY(text, as_text(input, heap));
  const Value* width = arguments.get(0, "width");
  Text margin("    ", true);
  if (width && width->is(Kind::integer)) {
    margin = Text(
        std::string(static_cast<size_t>(std::clamp<int64_t>(width->integer, 0, 100)), ' '), true);
  } else if (width && width->is(Kind::text)) {
    margin = *width->text;
  }
  Text out;
  size_t begin = 0;
  for (bool first = true; begin <= text.text->size(); first = false) {
    const size_t end = std::min(text.bytes().find('\n', begin), text.text->size());
    const bool wanted =
        first ? arguments.flag(1, "first") : end > begin || arguments.flag(2, "blank");
    if (!first) out.append("\n", true);
    if (wanted) out.append(margin);
    out.append(*text.text, begin, end);
    begin = end + 1;
    BATON_CHECKED(heap.charge(1 + margin.size() / 16));
    if (out.size() > heap.limits().text_bytes_max) return mistake("a text grows too long");
  }
  return heap.text(std::move(out));
}

Result<Value> to_int(const Value& input, const Arguments& arguments, Heap&) {
  const Value* other = arguments.get(0, "default");
  const Value otherwise = other ? *other : Value::of_int(0);
  if (input.is(Kind::integer)) return input;
  if (input.numeric()) {
    const double value = as_double(input);
    if (!(std::abs(value) < 9e18)) return otherwise;
    return Value::of_int(static_cast<int64_t>(value), input.trusted);
  }
  if (!input.is(Kind::text)) return otherwise;
  auto text = input.bytes();
  text.remove_prefix(leading_space(text));
  text.remove_suffix(trailing_space(text));
  if (text.starts_with('+')) text.remove_prefix(1);
  int64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return otherwise;
  return Value::of_int(value, input.text->fully_trusted());
}

Result<Value> to_float(const Value& input, const Arguments& arguments, Heap&) {
  const Value* other = arguments.get(0, "default");
  if (input.numeric()) return Value::of_number(as_double(input), input.trusted);
  double value = 0;
  if (input.is(Kind::text)) {
    const auto text = input.bytes();
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
    if (parsed.ec == std::errc() && parsed.ptr == text.data() + text.size()) {
      return Value::of_number(value, input.text->fully_trusted());
    }
  }
  return other ? *other : Value::of_number(0);
}

Result<Value> absolute(const Value& input, const Arguments&, Heap&) {
  if (input.is(Kind::integer) && input.integer != INT64_MIN) {
    return Value::of_int(std::abs(input.integer), input.trusted);
  }
  if (!input.is(Kind::number)) return mistake("abs needs a number");
  return Value::of_number(std::abs(input.number), input.trusted);
}

Result<Value> round(const Value& input, const Arguments& arguments, Heap&) {
  if (!input.numeric()) return mistake("round needs a number");
  const Value* digits = arguments.get(0, "precision");
  const Value* method = arguments.get(1, "method");
  const auto how = method && method->is(Kind::text) ? method->bytes() : "common";
  const double scale = std::pow(
      10.0, digits && digits->is(Kind::integer) ? static_cast<double>(digits->integer) : 0.0);
  const double scaled = as_double(input) * scale;
  const double whole = how == "ceil"    ? std::ceil(scaled)
                       : how == "floor" ? std::floor(scaled)
                                        : std::nearbyint(scaled);
  return Value::of_number(whole / scale, input.trusted);
}

Result<Value> map(const Value& input, const Arguments& arguments, Heap& heap) {
  BATON_TRY(values, elements(input, heap));
  const Value* attribute = arguments.get(SIZE_MAX, "attribute");
  const Value* absent = arguments.get(SIZE_MAX, "default");
  const Value* name = arguments.get(0, "");
  if (!attribute && (!name || !name->is(Kind::text))) return mistake("map needs a filter's name");
  Arguments rest{arguments.positional, arguments.named};
  if (!rest.positional.empty()) rest.positional.erase(rest.positional.begin());
  for (auto& value : values) {
    BATON_TRY(mapped, attribute ? deep_attribute(value, *attribute, heap)
                                : apply_filter(name->bytes(), value, rest, heap));
    value = mapped.is(Kind::undefined) && absent ? *absent : mapped;
  }
  return heap.list(std::move(values));
}

// select, reject, selectattr, rejectattr.
template <bool wanted, bool by_attribute>
Result<Value> choose(const Value& input, const Arguments& arguments, Heap& heap) {
  BATON_TRY(values, elements(input, heap));
  Arguments rest = arguments;
  Value attribute;
  if (by_attribute) {
    if (rest.positional.empty()) return mistake("selectattr needs an attribute");
    attribute = rest.positional.front();
    rest.positional.erase(rest.positional.begin());
  }
  std::string test;
  if (!rest.positional.empty()) {
    if (!rest.positional.front().is(Kind::text)) return mistake("select needs a test's name");
    test = rest.positional.front().bytes();
    rest.positional.erase(rest.positional.begin());
  }
  std::vector<Value> chosen;
  for (const auto& value : values) {
    Value subject = value;
    if (by_attribute) {
      BATON_TRY(field, deep_attribute(value, attribute, heap));
      subject = field;
    }
    bool holds = truth(subject);
    if (!test.empty()) {
      BATON_TRY(result, apply_test(test, subject, rest, heap));
      holds = result;
    }
    if (holds == wanted) chosen.push_back(value);
  }
  return heap.list(std::move(chosen));
}

// The values to sort or compare by: an attribute of each, and texts without regard to case.
Result<std::vector<Value>> keys_of(const std::vector<Value>& values, const Value* attribute,
                                   bool case_sensitive, Heap& heap) {
  std::vector<Value> keys;
  for (const auto& value : values) {
    Value key = value;
    if (attribute && !attribute->is(Kind::none)) {
      BATON_TRY(field, deep_attribute(value, *attribute, heap));
      key = field;
    }
    if (key.is(Kind::text) && !case_sensitive) {
      BATON_TRY(lower, change_case(key, "lower", heap));
      key = lower;
    }
    keys.push_back(key);
  }
  return keys;
}

Result<std::vector<Value>> sorted(std::vector<Value> values, const std::vector<Value>& keys,
                                  bool backwards, Heap& heap) {
  std::vector<size_t> places(values.size());
  for (size_t i = 0; i < places.size(); ++i) places[i] = i;
  std::optional<Error> error;
  std::stable_sort(places.begin(), places.end(), [&](size_t a, size_t b) {
    if (error) return false;
    const auto result = order(keys[backwards ? b : a], keys[backwards ? a : b], heap);
    if (!result) error = result.error();
    return result && *result < 0;
  });
  if (error) return *error;
  std::vector<Value> out;
  for (const size_t place : places) out.push_back(values[place]);
  return out;
}

Result<Value> sort(const Value& input, const Arguments& arguments, Heap& heap) {
  BATON_TRY(values, elements(input, heap));
  BATON_TRY(keys, keys_of(values, arguments.get(2, "attribute"),
                          arguments.flag(1, "case_sensitive"), heap));
  BATON_TRY(result, sorted(values, keys, arguments.flag(0, "reverse"), heap));
  return heap.list(std::move(result));
}

Result<Value> dictsort(const Value& input, const Arguments& arguments, Heap& heap) {
  BATON_TRY(pairs, items(input, {}, heap));
  const Value* by = arguments.get(1, "by");
  const bool by_value = by && by->is(Kind::text) && by->bytes() == "value";
  const Value place = Value::of_int(by_value ? 1 : 0);
  BATON_TRY(keys, keys_of(pairs.list->items, &place, arguments.flag(0, "case_sensitive"), heap));
  BATON_TRY(result, sorted(pairs.list->items, keys, arguments.flag(2, "reverse"), heap));
  return heap.list(std::move(result));
}

Result<Value> unique(const Value& input, const Arguments& arguments, Heap& heap) {
  BATON_TRY(values, elements(input, heap));
  BATON_TRY(keys, keys_of(values, arguments.get(1, "attribute"),
                          arguments.flag(0, "case_sensitive"), heap));
  std::vector<size_t> kept;
  for (size_t i = 0; i < values.size(); ++i) {
    bool known = false;
    for (size_t k = 0; k < kept.size() && !known; ++k) {
      BATON_TRY(same, equal(keys[kept[k]], keys[i], heap));
      known = same;
    }
    if (!known) kept.push_back(i);
  }
  std::vector<Value> out;
  for (const size_t place : kept) out.push_back(values[place]);
  return heap.list(std::move(out));
}

template <int sign>
Result<Value> extreme(const Value& input, const Arguments& arguments, Heap& heap) {
  BATON_TRY(values, elements(input, heap));
  BATON_TRY(keys, keys_of(values, arguments.get(1, "attribute"),
                          arguments.flag(0, "case_sensitive"), heap));
  size_t best = 0;
  for (size_t i = 1; i < values.size(); ++i) {
    BATON_TRY(result, order(keys[i], keys[best], heap));
    if (result * sign > 0) best = i;
  }
  return values.empty() ? Value() : values[best];
}

Result<Value> sum(const Value& input, const Arguments& arguments, Heap& heap) {
  BATON_TRY(values, elements(input, heap));
  const Value* attribute = arguments.get(0, "attribute");
  const Value* start = arguments.get(1, "start");
  Value total = start ? *start : Value::of_int(0);
  for (auto value : values) {
    if (attribute && !attribute->is(Kind::none)) {
      BATON_TRY(field, deep_attribute(value, *attribute, heap));
      value = field;
    }
    if (!value.numeric() || !total.numeric()) return mistake("sum needs numbers");
    const bool trusted = total.trusted && value.trusted;
    int64_t whole = 0;
    if (total.is(Kind::integer) && value.is(Kind::integer)) {
      if (__builtin_add_overflow(total.integer, value.integer, &whole)) {
        return mistake("a number grows too large");
      }
      total = Value::of_int(whole, trusted);
    } else {
      total = Value::of_number(as_double(total) + as_double(value), trusted);
    }
  }
  return total;
}

const std::map<std::string_view, Filter>& filters() {
  static const std::map<std::string_view, Filter> table{
      {"abs", absolute},
      {"capitalize", recase<'c'>},
      {"count", length},
      {"d", fallback},
      {"default", fallback},
      {"dictsort", dictsort},
      {"e", escape},
      {"escape", escape},
      {"first", first},
      {"float", to_float},
      {"indent", indent},
      {"int", to_int},
      {"items", items},
      {"join", join},
      {"last", last},
      {"length", length},
      {"list", list},
      {"lower", recase<'l'>},
      {"map", map},
      {"max", extreme<1>},
      {"min", extreme<-1>},
      {"reject", choose<false, false>},
      {"rejectattr", choose<false, true>},
      {"replace", replaced},
      {"reverse", reverse},
      {"round", round},
      {"safe", unchanged},
      {"select", choose<true, false>},
      {"selectattr", choose<true, true>},
      {"sort", sort},
      {"string", string},
      {"sum", sum},
      {"title", recase<'t'>},
      {"tojson", tojson},
      {"trim", trim},
      {"unique", unique},
      {"upper", recase<'u'>},
  };
  return table;
}

}  // namespace

Result<Value> apply_filter(std::string_view name, const Value& input, const Arguments& arguments,
                           Heap& heap) {
  BATON_CHECKED(heap.charge(1));
  const auto found = filters().find(name);
  if (found == filters().end()) return mistake("there is no filter '{}'", name);
  return found->second(input, arguments, heap);
}

}  // namespace baton::text::jinja
