// Attributes, items and slices of values; global functions.
#include <algorithm>
#include <array>
#include <utility>

#include "model/text/jinja/builtins.h"

namespace baton::text::jinja {
namespace {

constexpr int64_t range_max = 100'000;  // as Jinja's sandbox

constexpr std::array<std::string_view, 5> dict_methods{"items", "keys", "values", "get", "copy"};

Result<Value> loop_attribute(const Loop& loop, std::string_view name) {
  const auto count = static_cast<int64_t>(loop.items->items.size());
  const auto index = static_cast<int64_t>(loop.index);
  if (name == "index") return Value::of_int(index + 1);
  if (name == "index0") return Value::of_int(index);
  if (name == "revindex") return Value::of_int(count - index);
  if (name == "revindex0") return Value::of_int(count - index - 1);
  if (name == "first") return Value::of_bool(index == 0);
  if (name == "last") return Value::of_bool(index == count - 1);
  if (name == "length") return Value::of_int(count);
  if (name == "depth") return Value::of_int(static_cast<int64_t>(loop.depth));
  if (name == "depth0") return Value::of_int(static_cast<int64_t>(loop.depth) - 1);
  if (name == "previtem") return index > 0 ? loop.items->items[loop.index - 1] : Value();
  if (name == "nextitem") return index + 1 < count ? loop.items->items[loop.index + 1] : Value();
  return Value();
}

// A position as Python counts it (negative from the end), within 0..size.
int64_t clamp_index(int64_t at, int64_t size, int64_t low, int64_t high) {
  if (at < 0) at = at < -size ? low : at + size;
  return std::clamp(at, low, high);
}

Result<int64_t> slice_part(const Value* part, int64_t absent) {
  if (!part || part->is(Kind::none)) return absent;
  if (!part->is(Kind::integer)) return mistake("a slice needs whole numbers");
  return part->integer;
}

Result<Value> range(const Arguments& arguments, Heap& heap) {
  const auto& args = arguments.positional;
  for (const auto& arg : args) {
    if (!arg.is(Kind::integer)) return mistake("range needs whole numbers");
  }
  if (args.empty() || args.size() > 3) return mistake("range takes one to three numbers");
  const int64_t begin = args.size() > 1 ? args[0].integer : 0;
  const int64_t end = args.size() > 1 ? args[1].integer : args[0].integer;
  const int64_t step = args.size() > 2 ? args[2].integer : 1;
  if (step == 0) return mistake("range has a step of zero");
  std::vector<Value> items;
  for (int64_t i = begin; step > 0 ? i < end : i > end;) {
    if (items.size() == range_max) return mistake("range has more than {} numbers", range_max);
    items.push_back(Value::of_int(i));
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  return heap.list(std::move(items));
}

Result<Value> make_dict(const Arguments& arguments, bool is_namespace, Heap& heap) {
  BATON_TRY(dict, heap.dict());
  dict->is_namespace = is_namespace;
  for (const auto& base : arguments.positional) {
    if (!base.is(Kind::dict)) return mistake("a mapping is needed, not a {}", kind_name(base));
    BATON_CHECKED(heap.charge(base.dict->entries.size()));
    for (const auto& entry : base.dict->entries) dict->set(entry.key, entry.value);
  }
  for (const auto& [name, value] : arguments.named) {
    BATON_TRY(key, heap.text(name, true));
    dict->set(key, value);
  }
  return heap.value(dict);
}

}  // namespace

const Value* Arguments::get(size_t index, std::string_view name) const {
  if (index < positional.size()) return &positional[index];
  for (const auto& [known, value] : named) {
    if (known == name) return &value;
  }
  return nullptr;
}

bool Arguments::flag(size_t index, std::string_view name) const {
  const Value* value = get(index, name);
  return value && truth(*value);
}

Result<Value> get_attribute(const Value& value, std::string_view name, Heap& heap) {
  BATON_CHECKED(heap.charge(1));
  if (value.is(Kind::undefined)) return mistake("an undefined value has no '{}'", name);
  if (value.is(Kind::loop)) return loop_attribute(*value.loop, name);
  if (!value.is(Kind::dict)) return Value();
  // As in Python, a mapping's method hides an entry of the same name; value['items'] finds it.
  const auto method = std::find(dict_methods.begin(), dict_methods.end(), name);
  if (!value.dict->is_namespace && method != dict_methods.end()) {
    BATON_CHECKED(heap.charge(object_cost));
    return heap.callable(Callable{.name = std::string(name)});
  }
  const Value* found = value.dict->find(name);
  return found ? *found : Value();
}

Result<Value> get_item(const Value& value, const Value& key, Heap& heap) {
  BATON_CHECKED(heap.charge(1));
  if (key.is(Kind::text) && !value.is(Kind::dict)) return get_attribute(value, key.bytes(), heap);
  if (value.is(Kind::undefined)) return mistake("an undefined value has no items");
  if (value.is(Kind::dict)) {
    const Value* found = value.dict->find(key);
    return found ? *found : Value();
  }
  if (!key.is(Kind::integer)) return Value();
  int64_t at = key.integer;
  if (value.is(Kind::list)) {
    const auto size = static_cast<int64_t>(value.list->items.size());
    if (at < 0) at += size;
    return at >= 0 && at < size ? value.list->items[static_cast<size_t>(at)] : Value();
  }
  if (!value.is(Kind::text)) return Value();
  const auto offsets = code_point_offsets(value.bytes());
  BATON_CHECKED(heap.charge(offsets.size() / 16));
  const auto size = static_cast<int64_t>(offsets.size()) - 1;
  if (at < 0) at += size;
  if (at < 0 || at >= size) return Value();
  const auto i = static_cast<size_t>(at);
  return heap.text(value.text->slice(offsets[i], offsets[i + 1]));
}

Result<Value> get_slice(const Value& value, const Value* begin, const Value* end, const Value* step,
                        Heap& heap) {
  const bool is_text = value.is(Kind::text);
  if (!is_text && !value.is(Kind::list)) return mistake("a {} can't be sliced", kind_name(value));
  const auto offsets = is_text ? code_point_offsets(value.bytes()) : std::vector<size_t>();
  const auto size = static_cast<int64_t>(is_text ? offsets.size() - 1 : value.list->items.size());
  BATON_CHECKED(heap.charge(static_cast<size_t>(is_text ? size / 16 : size)));
  BATON_TRY(stride, slice_part(step, 1));
  if (stride == 0) return mistake("a slice has a step of zero");
  const int64_t low = stride > 0 ? 0 : -1, high = stride > 0 ? size : size - 1;
  BATON_TRY(from, slice_part(begin, stride > 0 ? 0 : INT64_MAX));
  BATON_TRY(to, slice_part(end, stride > 0 ? INT64_MAX : INT64_MIN));
  const int64_t first = clamp_index(from, size, low, high);
  const int64_t last = clamp_index(to, size, low, high);
  if (is_text && stride == 1) {
    if (last <= first) return heap.text(Text());
    return heap.text(
        value.text->slice(offsets[static_cast<size_t>(first)], offsets[static_cast<size_t>(last)]));
  }
  Text text;
  std::vector<Value> items;
  for (int64_t i = first; stride > 0 ? i < last : i > last;) {
    const auto at = static_cast<size_t>(i);
    if (is_text) {
      text.append(*value.text, offsets[at], offsets[at + 1]);
    } else {
      items.push_back(value.list->items[at]);
    }
    if (__builtin_add_overflow(i, stride, &i)) break;
  }
  if (is_text) return heap.text(std::move(text));
  return heap.list(std::move(items), value.list->tuple);
}

const std::vector<std::string>& function_names() {
  static const std::vector<std::string> names{"range", "namespace", "dict", "raise_exception"};
  return names;
}

Result<Value> call_function(std::string_view name, const Arguments& arguments, Heap& heap) {
  if (name == "range") return range(arguments, heap);
  if (name == "namespace") return make_dict(arguments, true, heap);
  if (name == "dict") return make_dict(arguments, false, heap);
  if (name == "raise_exception") {
    const Value* message = arguments.get(0, "message");
    BATON_TRY(text, to_text(message ? *message : Value(), heap));
    return fail(ErrorCode::invalid_argument, "the chat template refuses the messages: {}",
                text.bytes());
  }
  return mistake("there is no function '{}'", name);
}

}  // namespace baton::text::jinja
