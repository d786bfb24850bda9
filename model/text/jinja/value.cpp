#include "model/text/jinja/value.h"

#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "model/text/utf8.h"

namespace baton::text::jinja {
namespace {

constexpr size_t small_dict = 8;  // entries that are searched without an index

std::string canonical(const Value& key) {
  switch (key.kind) {
    case Kind::text:
      return "t" + key.text->bytes();
    case Kind::boolean:
      return fmt::format("n{}", key.boolean ? 1 : 0);
    case Kind::integer:
      return fmt::format("n{}", key.integer);
    case Kind::number:
      return fmt::format("n{}", key.number);
    default:
      return fmt::format("k{}", static_cast<int>(key.kind));
  }
}

std::string number_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  auto text = fmt::format("{}", value);
  if (text.find_first_of(".e") == text.npos) text += ".0";
  return text;
}

// As Python's repr of a string.
void append_quoted(const Text& text, Text& out) {
  const auto& bytes = text.bytes();
  const bool single = bytes.find('\'') == bytes.npos || bytes.find('"') != bytes.npos;
  const char quote = single ? '\'' : '"';
  out.append({&quote, 1}, false);
  for (size_t i = 0; i < bytes.size(); ++i) {
    const char c = bytes[i];
    if (c == quote || c == '\\') {
      out.append("\\", false);
      out.append(text, i, i + 1);
    } else if (c == '\n' || c == '\r' || c == '\t') {
      out.append(c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t", false);
    } else if (static_cast<uint8_t>(c) < 0x20 || c == 0x7F) {
      out.append(fmt::format("\\x{:02x}", static_cast<uint8_t>(c)), false);
    } else {
      out.append(text, i, i + 1);
    }
  }
  out.append({&quote, 1}, false);
}

// Punctuation between elements of request data counts as request data.
Result<void> append_value(const Value& value, bool quoted, Heap& heap, int depth, Text& out) {
  if (depth > nesting_max) return mistake("a value is nested too deep to be written");
  BATON_CHECKED(heap.charge(1));
  switch (value.kind) {
    case Kind::undefined:
      break;
    case Kind::none:
      out.append("None", true);
      break;
    case Kind::boolean:
      out.append(value.boolean ? "True" : "False", value.trusted);
      break;
    case Kind::integer:
      out.append(std::to_string(value.integer), value.trusted);
      break;
    case Kind::number:
      out.append(number_text(value.number), value.trusted);
      break;
    case Kind::text:
      BATON_CHECKED(heap.charge(value.text->size() / 16));
      quoted ? append_quoted(*value.text, out) : out.append(*value.text);
      break;
    case Kind::list: {
      out.append(value.list->tuple ? "(" : "[", false);
      bool first = true;
      for (const auto& item : value.list->items) {
        if (!std::exchange(first, false)) out.append(", ", false);
        BATON_CHECKED(append_value(item, true, heap, depth + 1, out));
      }
      if (value.list->tuple && value.list->items.size() == 1) out.append(",", false);
      out.append(value.list->tuple ? ")" : "]", false);
      break;
    }
    case Kind::dict: {
      out.append("{", false);
      bool first = true;
      for (const auto& entry : value.dict->entries) {
        if (!std::exchange(first, false)) out.append(", ", false);
        BATON_CHECKED(append_value(entry.key, true, heap, depth + 1, out));
        out.append(": ", false);
        BATON_CHECKED(append_value(entry.value, true, heap, depth + 1, out));
      }
      out.append("}", false);
      break;
    }
    case Kind::loop:
    case Kind::callable:
      return mistake("a {} has no text", kind_name(value));
  }
  if (out.size() > heap.limits().text_bytes_max) return mistake("a text grows too long");
  return {};
}

}  // namespace

const Value* Dict::find(const Value& key) const {
  if (index.empty()) {
    for (const auto& entry : entries) {
      const bool same = key.is(Kind::text) && entry.key.is(Kind::text)
                            ? key.bytes() == entry.key.bytes()
                            : key.kind != Kind::text && canonical(key) == canonical(entry.key);
      if (same) return &entry.value;
    }
    return nullptr;
  }
  const auto found = index.find(canonical(key));
  return found == index.end() ? nullptr : &entries[found->second].value;
}

const Value* Dict::find(std::string_view key) const {
  if (!index.empty()) {
    const auto found = index.find("t" + std::string(key));
    return found == index.end() ? nullptr : &entries[found->second].value;
  }
  for (const auto& entry : entries) {
    if (entry.key.is(Kind::text) && entry.key.bytes() == key) return &entry.value;
  }
  return nullptr;
}

void Dict::set(const Value& key, const Value& value) {
  if (const Value* found = find(key)) {
    *const_cast<Value*>(found) = value;  // it is an entry of this dict
    return;
  }
  entries.push_back({key, value});
  if (entries.size() <= small_dict) return;
  if (index.empty()) {
    for (size_t i = 0; i < entries.size(); ++i) index.emplace(canonical(entries[i].key), i);
  } else {
    index.emplace(canonical(key), entries.size() - 1);
  }
}

Result<void> Heap::charge(size_t steps) {
  steps_ += steps;
  if (steps_ > limits_.steps_max) {
    return fail(ErrorCode::resource_exhausted, "the chat template takes more than {} steps",
                limits_.steps_max);
  }
  return {};
}

Result<Value> Heap::text(Text text) {
  text_bytes_ += text.size() + text_cost;
  if (text_bytes_ > limits_.text_bytes_max) {
    return fail(ErrorCode::resource_exhausted, "the chat template makes more than {} bytes of text",
                limits_.text_bytes_max);
  }
  return Value::of_text(&texts_.emplace_back(std::move(text)));
}

Result<Value> Heap::list(std::vector<Value> items, bool tuple) {
  BATON_CHECKED(charge(items.size() + object_cost));
  Value v;
  v.kind = Kind::list;
  v.list = &lists_.emplace_back(List{std::move(items), tuple});
  return v;
}

Result<Dict*> Heap::dict() {
  BATON_CHECKED(charge(object_cost));
  return &dicts_.emplace_back();
}

Value Heap::value(Dict* dict) const {
  Value v;
  v.kind = Kind::dict;
  v.dict = dict;
  return v;
}

Value Heap::loop(Loop loop) {
  Value v;
  v.kind = Kind::loop;
  v.loop = &loops_.emplace_back(std::move(loop));
  return v;
}

Value Heap::callable(Callable callable) {
  return Value::of_callable(&callables_.emplace_back(std::move(callable)));
}

std::string_view kind_name(const Value& value) {
  switch (value.kind) {
    case Kind::undefined:
      return "undefined value";
    case Kind::none:
      return "none";
    case Kind::boolean:
      return "boolean";
    case Kind::integer:
    case Kind::number:
      return "number";
    case Kind::text:
      return "text";
    case Kind::list:
      return "list";
    case Kind::dict:
      return "mapping";
    case Kind::loop:
      return "loop";
    case Kind::callable:
      return "function";
  }
  return "value";
}

bool truth(const Value& value) {
  switch (value.kind) {
    case Kind::undefined:
    case Kind::none:
      return false;
    case Kind::boolean:
      return value.boolean;
    case Kind::integer:
      return value.integer != 0;
    case Kind::number:
      return value.number != 0;
    case Kind::text:
      return !value.text->empty();
    case Kind::list:
      return !value.list->items.empty();
    case Kind::dict:
      return value.dict->is_namespace || !value.dict->entries.empty();
    case Kind::loop:
    case Kind::callable:
      return true;
  }
  return false;
}

Result<Text> to_text(const Value& value, Heap& heap) {
  Text out;
  BATON_CHECKED(append_value(value, false, heap, 0, out));
  return out;
}

double as_double(const Value& v) {
  if (v.is(Kind::number)) return v.number;
  return v.is(Kind::boolean) ? (v.boolean ? 1.0 : 0.0) : static_cast<double>(v.integer);
}

Result<bool> equal(const Value& a, const Value& b, Heap& heap, int depth) {
  BATON_CHECKED(heap.charge(1));
  if (depth > nesting_max) return mistake("values are nested too deep to be compared");
  if (a.numeric() && b.numeric()) {
    if (a.is(Kind::integer) && b.is(Kind::integer)) return a.integer == b.integer;
    return as_double(a) == as_double(b);
  }
  if (a.kind != b.kind) return false;
  switch (a.kind) {
    case Kind::text:
      BATON_CHECKED(heap.charge(std::min(a.text->size(), b.text->size()) / 64));
      return a.bytes() == b.bytes();
    case Kind::list: {
      if (a.list->tuple != b.list->tuple || a.list->items.size() != b.list->items.size()) {
        return false;
      }
      for (size_t i = 0; i < a.list->items.size(); ++i) {
        BATON_TRY(same, equal(a.list->items[i], b.list->items[i], heap, depth + 1));
        if (!same) return false;
      }
      return true;
    }
    case Kind::dict: {
      if (a.dict == b.dict) return true;
      if (a.dict->entries.size() != b.dict->entries.size()) return false;
      for (const auto& entry : a.dict->entries) {
        const Value* other = b.dict->find(entry.key);
        if (!other) return false;
        BATON_TRY(same, equal(entry.value, *other, heap, depth + 1));
        if (!same) return false;
      }
      return true;
    }
    case Kind::loop:
      return a.loop == b.loop;
    case Kind::callable:
      return a.callable == b.callable;
    default:
      return true;  // undefined, none
  }
}

Result<int> order(const Value& a, const Value& b, Heap& heap, int depth) {
  BATON_CHECKED(heap.charge(1));
  if (a.is(Kind::integer) && b.is(Kind::integer)) {
    return a.integer < b.integer ? -1 : a.integer > b.integer;
  }
  if (a.numeric() && b.numeric()) {
    return as_double(a) < as_double(b) ? -1 : as_double(a) > as_double(b);
  }
  if (a.is(Kind::text) && b.is(Kind::text)) {
    BATON_CHECKED(heap.charge(std::min(a.text->size(), b.text->size()) / 64));
    const int result = a.text->bytes().compare(b.text->bytes());  // UTF-8 sorts by code point
    return result < 0 ? -1 : result > 0;
  }
  if (a.is(Kind::list) && b.is(Kind::list) && depth < nesting_max) {
    const auto &x = a.list->items, &y = b.list->items;
    for (size_t i = 0; i < x.size() && i < y.size(); ++i) {
      BATON_TRY(same, equal(x[i], y[i], heap, depth + 1));
      if (!same) return order(x[i], y[i], heap, depth + 1);
    }
    return x.size() < y.size() ? -1 : x.size() > y.size();
  }
  return mistake("a {} and a {} have no order", kind_name(a), kind_name(b));
}

Result<bool> contains(const Value& hay, const Value& needle, Heap& heap) {
  if (hay.is(Kind::text)) {
    if (!needle.is(Kind::text)) return mistake("a {} can't be in a text", kind_name(needle));
    BATON_CHECKED(heap.charge(hay.text->size() / 64));
    return hay.bytes().find(needle.bytes()) != std::string_view::npos;
  }
  if (hay.is(Kind::dict)) return hay.dict->find(needle) != nullptr;
  if (hay.is(Kind::undefined)) return false;
  if (!hay.is(Kind::list)) return mistake("nothing can be in a {}", kind_name(hay));
  for (const auto& item : hay.list->items) {
    BATON_TRY(same, equal(item, needle, heap));
    if (same) return true;
  }
  return false;
}

Result<std::vector<Value>> elements(const Value& value, Heap& heap) {
  std::vector<Value> out;
  switch (value.kind) {
    case Kind::undefined:
      return out;
    case Kind::list:
      BATON_CHECKED(heap.charge(value.list->items.size()));
      return value.list->items;
    case Kind::dict:
      BATON_CHECKED(heap.charge(value.dict->entries.size()));
      for (const auto& entry : value.dict->entries) out.push_back(entry.key);
      return out;
    case Kind::text: {
      const auto offsets = code_point_offsets(value.bytes());
      BATON_CHECKED(heap.charge(offsets.size()));
      for (size_t i = 0; i + 1 < offsets.size(); ++i) {
        BATON_TRY(character, heap.text(value.text->slice(offsets[i], offsets[i + 1])));
        out.push_back(character);
      }
      return out;
    }
    default:
      return mistake("a {} can't be looped over", kind_name(value));
  }
}

}  // namespace baton::text::jinja
