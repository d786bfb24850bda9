// Whether a JSON value is valid by a schema: read straight from the specification, apart from all
// that compiles schemas. For the keywords that tests use.
#pragma once

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <regex>
#include <string>

namespace baton::constraint::testing {

using Json = nlohmann::ordered_json;

class SchemaValidator {
 public:
  explicit SchemaValidator(Json schema) : root_(std::move(schema)) {}

  bool valid(const Json& value) const { return valid(value, root_); }
  // A whole text: JSON, and valid.
  bool valid_text(const std::string& text) const {
    const Json value = Json::parse(text, nullptr, false);
    return !value.is_discarded() && valid(value);
  }

 private:
  static bool is(const Json& v, const std::string& type) {
    if (type == "object") return v.is_object();
    if (type == "array") return v.is_array();
    if (type == "string") return v.is_string();
    if (type == "number") return v.is_number();
    if (type == "boolean") return v.is_boolean();
    if (type == "null") return v.is_null();
    return v.is_number_integer() || (v.is_number() && std::trunc(double(v)) == double(v));
  }

  static size_t characters(const std::string& text) {
    return static_cast<size_t>(
        std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
  }

  bool valid(const Json& v, const Json& s) const {
    if (s.is_boolean()) return s.get<bool>();
    for (const auto& [key, rule] : s.items()) {
      if (!keeps(v, s, key, rule)) return false;
    }
    return true;
  }

  bool keeps(const Json& v, const Json& s, const std::string& key, const Json& rule) const {
    const auto fits = [&](const Json& each) { return valid(v, each); };
    if (key == "$ref")
      return valid(v, root_.at(Json::json_pointer(rule.get<std::string>().substr(1))));
    if (key == "type" && rule.is_string()) return is(v, rule);
    if (key == "type") return std::ranges::any_of(rule, [&](const Json& t) { return is(v, t); });
    if (key == "enum") return std::ranges::find(rule, v) != rule.end();
    if (key == "const") return v == rule;
    if (key == "anyOf" || key == "oneOf") return std::ranges::any_of(rule, fits);
    if (key == "allOf") return std::ranges::all_of(rule, fits);
    if (v.is_object()) return keeps_object(v, s, key, rule);
    if (v.is_array()) return keeps_array(v, s, key, rule);
    if (v.is_number()) return keeps_number(v, key, rule);
    if (!v.is_string()) return true;
    if (key == "minLength") return characters(v) >= rule.get<size_t>();
    if (key == "maxLength") return characters(v) <= rule.get<size_t>();
    if (key == "pattern")
      return std::regex_search(v.get<std::string>(), std::regex(rule.get<std::string>()));
    return true;
  }

  bool keeps_object(const Json& v, const Json& s, const std::string& key, const Json& rule) const {
    if (key == "required")
      return std::ranges::all_of(
          rule, [&](const Json& name) { return v.contains(name.get<std::string>()); });
    if (key == "properties") {
      return std::ranges::all_of(rule.items(), [&](const auto& member) {
        return !v.contains(member.key()) || valid(v.at(member.key()), member.value());
      });
    }
    if (key != "additionalProperties") return true;
    return std::ranges::all_of(v.items(), [&](const auto& member) {
      return (s.contains("properties") && s.at("properties").contains(member.key())) ||
             valid(member.value(), rule);
    });
  }

  bool keeps_array(const Json& v, const Json& s, const std::string& key, const Json& rule) const {
    if (key == "minItems") return v.size() >= rule.get<size_t>();
    if (key == "maxItems") return v.size() <= rule.get<size_t>();
    const size_t first = s.contains("prefixItems") ? s.at("prefixItems").size() : 0;
    for (size_t i = 0; i < v.size(); ++i) {
      if (key == "prefixItems" && i < first && !valid(v[i], rule[i])) return false;
      if (key == "items" && i >= first && !valid(v[i], rule)) return false;
    }
    return true;
  }

  static bool keeps_number(const Json& v, const std::string& key, const Json& rule) {
    if (key == "minimum") return double(v) >= double(rule);
    if (key == "maximum") return double(v) <= double(rule);
    if (key == "exclusiveMinimum") return double(v) > double(rule);
    if (key == "exclusiveMaximum") return double(v) < double(rule);
    return true;
  }

  Json root_;
};

}  // namespace baton::constraint::testing
