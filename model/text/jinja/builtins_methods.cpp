// Methods of texts, lists and mappings, as Python's.
#include <algorithm>
#include <utility>

#include "model/text/jinja/builtins.h"
#include "model/text/utf8.h"

namespace baton::text::jinja {
namespace {

Result<std::string_view> needle_of(const Value* value, std::string_view method) {
  if (!value || !value->is(Kind::text)) return mistake("{} needs a text", method);
  return value->bytes();
}

Result<int64_t> count_of(const Value* value, int64_t absent) {
  if (!value || value->is(Kind::none)) return absent;
  if (!value->is(Kind::integer)) return mistake("a count must be a whole number");
  return value->integer;
}

// Pieces of a text as byte ranges.
using Ranges = std::vector<std::pair<size_t, size_t>>;

Result<Value> pieces(const Value& self, const Ranges& ranges, Heap& heap) {
  std::vector<Value> items;
  BATON_CHECKED(heap.charge(ranges.size()));
  for (const auto& [begin, end] : ranges) {
    BATON_TRY(piece, heap.text(self.text->slice(begin, end)));
    items.push_back(piece);
  }
  return heap.list(std::move(items));
}

Ranges split_at_space(std::string_view text, int64_t splits) {
  Ranges ranges;
  size_t at = leading_space(text);
  while (at < text.size()) {
    if (splits >= 0 && static_cast<int64_t>(ranges.size()) == splits) {
      ranges.emplace_back(at, text.size());
      break;
    }
    size_t end = at;
    while (end < text.size() && space_at_front(text.substr(end)) == 0) {
      end += utf8_step(text.substr(end)).bytes;
    }
    ranges.emplace_back(at, end);
    at = end + leading_space(text.substr(end));
  }
  return ranges;
}

Result<Value> split(const Value& self, const Arguments& arguments, bool from_back, Heap& heap) {
  const std::string_view text = self.bytes();
  BATON_CHECKED(heap.charge(text.size() / 16));
  const Value* separator = arguments.get(0, "sep");
  BATON_TRY(splits, count_of(arguments.get(1, "maxsplit"), -1));
  if (!separator || separator->is(Kind::none)) {
    if (from_back && splits >= 0) return mistake("rsplit needs a separator");
    return pieces(self, split_at_space(text, splits), heap);
  }
  BATON_TRY(needle, needle_of(separator, "split"));
  if (needle.empty()) return mistake("split has an empty separator");
  Ranges ranges;
  const auto more = [&] { return splits < 0 || static_cast<int64_t>(ranges.size()) < splits; };
  if (from_back) {
    size_t end = text.size();
    while (more() && end >= needle.size()) {
      const size_t found = text.rfind(needle, end - needle.size());
      if (found == text.npos) break;
      ranges.emplace_back(found + needle.size(), end);
      end = found;
    }
    ranges.emplace_back(0, end);
    std::reverse(ranges.begin(), ranges.end());
  } else {
    size_t begin = 0;
    while (more()) {
      const size_t found = text.find(needle, begin);
      if (found == text.npos) break;
      ranges.emplace_back(begin, found);
      begin = found + needle.size();
    }
    ranges.emplace_back(begin, text.size());
  }
  return pieces(self, ranges, heap);
}

Result<Value> split_lines(const Value& self, const Arguments& arguments, Heap& heap) {
  const std::string_view text = self.bytes();
  BATON_CHECKED(heap.charge(text.size() / 16));
  const bool keep = arguments.flag(0, "keepends");
  Ranges ranges;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find_first_of("\r\n", begin), text.size());
    size_t next = std::min(end + 1, text.size());
    if (end + 1 < text.size() && text[end] == '\r' && text[end + 1] == '\n') ++next;
    ranges.emplace_back(begin, keep ? next : end);
    begin = next;
  }
  return pieces(self, ranges, heap);
}

Result<Value> begins_or_ends(const Value& self, const Value* what, bool begins) {
  const auto matches = [&](const Value& v) -> Result<bool> {
    BATON_TRY(needle, needle_of(&v, begins ? "startswith" : "endswith"));
    return begins ? self.bytes().starts_with(needle) : self.bytes().ends_with(needle);
  };
  if (!what) return mistake("startswith and endswith need a text");
  if (!what->is(Kind::list)) {
    BATON_TRY(result, matches(*what));
    return Value::of_bool(result);
  }
  for (const auto& item : what->list->items) {
    BATON_TRY(result, matches(item));
    if (result) return Value::of_bool(true);
  }
  return Value::of_bool(false);
}

Result<Value> find(const Value& self, const Value* what, bool from_back, bool must) {
  BATON_TRY(needle, needle_of(what, "find"));
  const size_t at = from_back ? self.bytes().rfind(needle) : self.bytes().find(needle);
  if (at == std::string_view::npos) {
    if (must) return mistake("the text to find is not there");
    return Value::of_int(-1);
  }
  return Value::of_int(static_cast<int64_t>(code_point_count(self.bytes().substr(0, at))));
}

Result<Value> count(const Value& self, const Value* what, Heap& heap) {
  BATON_CHECKED(heap.charge(self.text->size() / 16));
  BATON_TRY(needle, needle_of(what, "count"));
  if (needle.empty()) {
    return Value::of_int(static_cast<int64_t>(code_point_count(self.bytes())) + 1);
  }
  int64_t found = 0;
  for (size_t at = self.bytes().find(needle); at != std::string_view::npos;
       at = self.bytes().find(needle, at + needle.size())) {
    ++found;
  }
  return Value::of_int(found);
}

Result<Value> without(const Value& self, const Value* what, bool prefix, Heap& heap) {
  BATON_TRY(needle, needle_of(what, "removeprefix"));
  const auto text = self.bytes();
  if (prefix && text.starts_with(needle)) {
    return heap.text(self.text->slice(needle.size(), text.size()));
  }
  if (!prefix && text.ends_with(needle)) {
    return heap.text(self.text->slice(0, text.size() - needle.size()));
  }
  return self;
}

// isdigit, isalpha, ... of ASCII texts.
Result<Value> every(const Value& self, bool (*holds)(char)) {
  const auto text = self.bytes();
  return Value::of_bool(!text.empty() && std::all_of(text.begin(), text.end(), holds));
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

Result<Value> text_method(const Value& self, std::string_view name, const Arguments& arguments,
                          Heap& heap) {
  const Value* first = arguments.get(0, "");
  BATON_CHECKED(heap.charge(1 + self.text->size() / 256));
  if (name == "strip") return strip(self, first, true, true, heap);
  if (name == "lstrip") return strip(self, first, true, false, heap);
  if (name == "rstrip") return strip(self, first, false, true, heap);
  if (name == "split") return split(self, arguments, false, heap);
  if (name == "rsplit") return split(self, arguments, true, heap);
  if (name == "splitlines") return split_lines(self, arguments, heap);
  if (name == "startswith") return begins_or_ends(self, first, true);
  if (name == "endswith") return begins_or_ends(self, first, false);
  if (name == "replace") return replace(self, arguments, heap);
  if (name == "upper" || name == "lower" || name == "title" || name == "capitalize") {
    return change_case(self, name, heap);
  }
  if (name == "find" || name == "index") return find(self, first, false, name == "index");
  if (name == "rfind" || name == "rindex") return find(self, first, true, name == "rindex");
  if (name == "count") return count(self, first, heap);
  if (name == "removeprefix") return without(self, first, true, heap);
  if (name == "removesuffix") return without(self, first, false, heap);
  if (name == "isdigit" || name == "isnumeric" || name == "isdecimal") return every(self, is_digit);
  if (name == "isalpha") return every(self, is_letter);
  if (name == "isalnum") return every(self, [](char c) { return is_digit(c) || is_letter(c); });
  if (name == "isspace") {
    return Value::of_bool(!self.text->empty() && leading_space(self.bytes()) == self.text->size());
  }
  if (name == "join") {
    if (!first) return mistake("join needs a list");
    Arguments separator;
    separator.positional.push_back(self);
    return apply_filter("join", *first, separator, heap);
  }
  return mistake("a text has no method '{}'", name);
}

Result<Value> dict_method(const Value& self, std::string_view name, const Arguments& arguments,
                          Heap& heap) {
  if (name == "items") return pair_list(*self.dict, heap);
  if (name == "keys") {
    BATON_TRY(keys, elements(self, heap));
    return heap.list(std::move(keys));
  }
  if (name == "values") {
    std::vector<Value> values;
    for (const auto& entry : self.dict->entries) values.push_back(entry.value);
    return heap.list(std::move(values));
  }
  if (name == "copy") {
    Arguments base;
    base.positional.push_back(self);
    return call_function("dict", base, heap);
  }
  if (name == "get") {
    const Value* key = arguments.get(0, "key");
    if (!key) return mistake("get needs a key");
    if (const Value* found = self.dict->find(*key)) return *found;
    const Value* fallback = arguments.get(1, "default");
    return fallback ? *fallback : Value::none();
  }
  return mistake("a mapping has no method '{}'", name);
}

}  // namespace

Result<Value> pair_list(const Dict& dict, Heap& heap) {
  std::vector<Value> items;
  for (const auto& entry : dict.entries) {
    BATON_TRY(pair, heap.list({entry.key, entry.value}, true));
    items.push_back(pair);
  }
  return heap.list(std::move(items));
}

Result<Value> strip(const Value& text, const Value* characters, bool front, bool back, Heap& heap) {
  std::string_view rest = text.bytes();
  BATON_CHECKED(heap.charge(1 + rest.size() / 16));
  size_t begin = 0, end = rest.size();
  if (!characters || characters->is(Kind::none)) {
    if (front) begin = leading_space(rest);
    if (back) end -= trailing_space(rest.substr(begin));
    return heap.text(text.text->slice(begin, end));
  }
  if (!characters->is(Kind::text)) return mistake("strip needs a text");
  const auto offsets = code_point_offsets(characters->bytes());
  const auto listed = [&](std::string_view c) {
    for (size_t i = 0; i + 1 < offsets.size(); ++i) {
      const auto known = characters->bytes().substr(offsets[i], offsets[i + 1] - offsets[i]);
      if (known == c) return true;
    }
    return false;
  };
  const auto whole = code_point_offsets(rest);
  BATON_CHECKED(heap.charge(whole.size() * offsets.size() / 16));
  size_t first = 0, last = whole.size() - 1;
  const auto character = [&](size_t i) { return rest.substr(whole[i], whole[i + 1] - whole[i]); };
  while (front && first < last && listed(character(first))) ++first;
  while (back && last > first && listed(character(last - 1))) --last;
  return heap.text(text.text->slice(whole[first], whole[last]));
}

Result<Value> replace(const Value& text, const Arguments& arguments, Heap& heap) {
  const Value* from = arguments.get(0, "old");
  const Value* to = arguments.get(1, "new");
  BATON_TRY(needle, needle_of(from, "replace"));
  if (!to || !to->is(Kind::text)) return mistake("replace needs a text");
  if (needle.empty()) return mistake("replace can't replace the empty text");
  BATON_TRY(limit, count_of(arguments.get(2, "count"), -1));
  const auto bytes = text.bytes();
  BATON_CHECKED(heap.charge(bytes.size() / 16));
  Text out;
  size_t begin = 0;
  for (int64_t done = 0; limit < 0 || done < limit; ++done) {
    const size_t found = bytes.find(needle, begin);
    if (found == bytes.npos) break;
    out.append(*text.text, begin, found);
    out.append(*to->text);
    begin = found + needle.size();
    BATON_CHECKED(heap.charge(1 + to->text->size() / 64));
    if (out.size() > heap.limits().text_bytes_max) return mistake("a text grows too long");
  }
  out.append(*text.text, begin, bytes.size());
  return heap.text(std::move(out));
}

Result<Value> change_case(const Value& text, std::string_view how, Heap& heap) {
  BATON_CHECKED(heap.charge(1 + text.text->size() / 16));
  Text out;
  bool in_word = false;
  size_t begin = 0;
  for (const auto& run : text.text->runs()) {
    std::string bytes = text.text->bytes().substr(begin, run.end - begin);
    for (char& c : bytes) {
      const bool up = how == "upper" || (how != "lower" && !in_word);
      in_word = how == "capitalize" || is_letter(c) || (static_cast<uint8_t>(c) & 0x80);
      if (is_letter(c)) c = static_cast<char>(up ? c & ~0x20 : c | 0x20);
    }
    out.append(bytes, run.trusted);
    begin = run.end;
  }
  return heap.text(std::move(out));
}

Result<Value> call_method(const Value& self, std::string_view name, const Arguments& arguments,
                          Heap& heap) {
  BATON_CHECKED(heap.charge(1));
  if (self.is(Kind::text)) return text_method(self, name, arguments, heap);
  if (self.is(Kind::dict)) return dict_method(self, name, arguments, heap);
  if (self.is(Kind::list) && (name == "index" || name == "count") && arguments.get(0, "value")) {
    int64_t found = 0;
    for (size_t i = 0; i < self.list->items.size(); ++i) {
      BATON_TRY(same, equal(self.list->items[i], *arguments.get(0, "value"), heap));
      if (same && name == "index") return Value::of_int(static_cast<int64_t>(i));
      found += same;
    }
    if (name == "index") return mistake("the value to find is not in the list");
    return Value::of_int(found);
  }
  return mistake("a {} has no method '{}'", kind_name(self), name);
}

}  // namespace baton::text::jinja
