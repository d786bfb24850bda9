#include "model/text/jinja/json.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

namespace baton::text::jinja {
namespace {

using json = nlohmann::ordered_json;

constexpr std::array<std::string_view, 5> known_roles{"system", "user", "assistant", "tool",
                                                      "function"};

bool is_known_role(const std::string& name, const json& value) {
  return name == "role" && value.is_string() &&
         std::find(known_roles.begin(), known_roles.end(), value.get_ref<const std::string&>()) !=
             known_roles.end();
}

class Writer {
 public:
  Writer(const JsonStyle& style, Heap& heap) : style_(style), heap_(heap) {}

  Result<void> write(const Value& value, int depth) {
    if (depth > nesting_max) return mistake("a value is nested too deep for tojson");
    BATON_CHECKED(heap_.charge(1));
    switch (value.kind) {
      case Kind::none:
        out_ += "null";
        return {};
      case Kind::boolean:
        out_ += value.boolean ? "true" : "false";
        return {};
      case Kind::integer:
        out_ += std::to_string(value.integer);
        return {};
      case Kind::number:
        out_ += number(value.number);
        return {};
      case Kind::text:
        return string(value.bytes());
      case Kind::list:
        return list(*value.list, depth);
      case Kind::dict:
        return dict(*value.dict, depth);
      default:
        return mistake("a {} can't be written as JSON", kind_name(value));
    }
  }

  std::string take() { return std::move(out_); }

 private:
  static std::string number(double value) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
    auto text = fmt::format("{}", value);
    if (text.find_first_of(".e") == text.npos) text += ".0";
    return text;
  }

  Result<void> string(std::string_view text) {
    BATON_CHECKED(heap_.charge(text.size() / 16));
    out_ += '"';
    for (const char c : text) {
      switch (c) {
        case '"':
          out_ += "\\\"";
          break;
        case '\\':
          out_ += "\\\\";
          break;
        case '\n':
          out_ += "\\n";
          break;
        case '\r':
          out_ += "\\r";
          break;
        case '\t':
          out_ += "\\t";
          break;
        case '\b':
          out_ += "\\b";
          break;
        case '\f':
          out_ += "\\f";
          break;
        default:
          if (static_cast<uint8_t>(c) < 0x20) {
            out_ += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
          } else {
            out_ += c;
          }
      }
    }
    out_ += '"';
    if (out_.size() > heap_.limits().text_bytes_max) return mistake("a text grows too long");
    return {};
  }

  void separate(bool first, int depth) {
    if (!first) {
      const bool indented = style_.indent >= 0 && style_.between_items == ", ";
      out_ += indented ? "," : style_.between_items;
    }
    new_line(depth);
  }

  void new_line(int depth) {
    if (style_.indent < 0) return;
    out_ += '\n';
    out_.append(static_cast<size_t>(style_.indent) * static_cast<size_t>(depth), ' ');
  }

  Result<void> list(const List& list, int depth) {
    if (list.items.empty()) return out_ += "[]", Result<void>();
    out_ += '[';
    for (size_t i = 0; i < list.items.size(); ++i) {
      separate(i == 0, depth + 1);
      BATON_CHECKED(write(list.items[i], depth + 1));
    }
    new_line(depth);
    out_ += ']';
    return {};
  }

  Result<void> dict(const Dict& dict, int depth) {
    if (dict.entries.empty()) return out_ += "{}", Result<void>();
    std::vector<const Dict::Entry*> entries;
    for (const auto& entry : dict.entries) entries.push_back(&entry);
    if (style_.sort_keys) {
      std::stable_sort(entries.begin(), entries.end(), [](const auto* a, const auto* b) {
        return a->key.is(Kind::text) && b->key.is(Kind::text) && a->key.bytes() < b->key.bytes();
      });
    }
    out_ += '{';
    for (size_t i = 0; i < entries.size(); ++i) {
      separate(i == 0, depth + 1);
      const Value& key = entries[i]->key;
      if (key.is(Kind::text)) {
        BATON_CHECKED(string(key.bytes()));
      } else {
        out_ += '"';
        BATON_CHECKED(write(key, depth + 1));
        out_ += '"';
      }
      out_ += style_.after_key;
      BATON_CHECKED(write(entries[i]->value, depth + 1));
    }
    new_line(depth);
    out_ += '}';
    return {};
  }

  const JsonStyle& style_;
  Heap& heap_;
  std::string out_;
};

}  // namespace

Result<Value> from_json(const json& node, bool trusted, Heap& heap, int depth) {
  if (depth > nesting_max) {
    return fail(ErrorCode::invalid_argument, "the messages are nested deeper than {} levels",
                nesting_max);
  }
  BATON_CHECKED(heap.charge(1));
  switch (node.type()) {
    case json::value_t::boolean: {
      Value value = Value::of_bool(node.get<bool>());
      value.trusted = trusted;
      return value;
    }
    case json::value_t::number_integer:
      return Value::of_int(node.get<int64_t>(), trusted);
    case json::value_t::number_unsigned:
      if (node.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX)) {
        return Value::of_number(node.get<double>(), trusted);
      }
      return Value::of_int(node.get<int64_t>(), trusted);
    case json::value_t::number_float:
      return Value::of_number(node.get<double>(), trusted);
    case json::value_t::string:
      return heap.text(node.get_ref<const std::string&>(), trusted);
    case json::value_t::array: {
      std::vector<Value> items;
      for (const auto& item : node) {
        BATON_TRY(value, from_json(item, trusted, heap, depth + 1));
        items.push_back(value);
      }
      return heap.list(std::move(items));
    }
    case json::value_t::object: {
      BATON_TRY(dict, heap.dict());
      for (const auto& [name, item] : node.items()) {
        BATON_TRY(key, heap.text(name, trusted));
        const bool role = is_known_role(name, item);
        BATON_TRY(value, from_json(item, trusted || role, heap, depth + 1));
        dict->set(key, value);
      }
      return heap.value(dict);
    }
    default:
      return Value::none();
  }
}

Result<Text> to_json(const Value& value, const JsonStyle& style, Heap& heap) {
  Writer writer(style, heap);
  BATON_CHECKED(writer.write(value, 0));
  return Text(writer.take(), false);
}

}  // namespace baton::text::jinja
