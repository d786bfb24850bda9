#include "model/constraint/languages/schema.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <map>
#include <optional>

#include "model/checkpoint/strict_json.h"
#include "model/constraint/languages/formats.h"
#include "model/constraint/languages/json_values.h"
#include "model/constraint/languages/number_range.h"
#include "model/constraint/languages/regex.h"
#include "model/constraint/languages/schema_merge.h"

namespace baton::constraint {

namespace {

constexpr uint32_t kLengthMax = 2048;     // of minLength and maxLength
constexpr uint32_t kItemsMax = 4096;      // of minItems and maxItems
constexpr size_t kNameBytesMax = 256;     // of a member's name
constexpr size_t kJsonValuesMax = 16384;  // of the schema's text

constexpr std::string_view kRefused[] = {"not",
                                         "if",
                                         "then",
                                         "else",
                                         "patternProperties",
                                         "propertyNames",
                                         "minProperties",
                                         "maxProperties",
                                         "dependentRequired",
                                         "dependentSchemas",
                                         "dependencies",
                                         "contains",
                                         "minContains",
                                         "maxContains",
                                         "multipleOf",
                                         "unevaluatedProperties",
                                         "unevaluatedItems",
                                         "additionalItems",
                                         "$dynamicRef",
                                         "$recursiveRef"};

// Which type a keyword is about.
const std::map<std::string_view, std::string_view> kTypeOf = {
    {"properties", "object"}, {"required", "object"},         {"additionalProperties", "object"},
    {"items", "array"},       {"prefixItems", "array"},       {"minItems", "array"},
    {"maxItems", "array"},    {"minLength", "string"},        {"maxLength", "string"},
    {"pattern", "string"},    {"format", "string"},           {"minimum", "number"},
    {"maximum", "number"},    {"exclusiveMinimum", "number"}, {"exclusiveMaximum", "number"}};

using Made = Result<ExpressionId>;

class Reader {
 public:
  Reader(Grammar& grammar, JsonValues& values, const Json& root)
      : grammar_(grammar), values_(values), root_(root) {}

  Result<RuleId> run() {
    const RuleId root = rule_of("#", root_);
    while (!todo_.empty()) {
      const Todo next = todo_.front();
      todo_.pop_front();
      BATON_TRY(body, read(*next.schema, 1));
      grammar_.define(next.rule, body);
    }
    return root;
  }
  const std::string& place() const { return place_; }

 private:
  struct Todo {
    RuleId rule;
    const Json* schema;
  };

  RuleId rule_of(const std::string& reference, const Json& schema) {
    const auto [found, fresh] = rules_.try_emplace(reference);
    if (fresh) {
      found->second = grammar_.declare(reference);
      todo_.push_back({found->second, &schema});
    }
    return found->second;
  }

  // A schema inside of another, under a name that a refusal's sentence has.
  Made inner(const Json& schema, const std::string& name, uint32_t depth) {
    const size_t length = place_.size();
    place_ += '/' + name;
    BATON_TRY(made, read(schema, depth + 1));
    place_.resize(length);
    return made;
  }

  Made read(const Json& schema, uint32_t depth) {
    if (++schemas_ > grammar_.limits().schemas_max)
      return fail(ErrorCode::invalid_argument, "it holds more than {} schemas",
                  grammar_.limits().schemas_max);
    if (depth > grammar_.limits().schema_depth_max)
      return fail(ErrorCode::invalid_argument, "schemas are nested deeper than {}",
                  grammar_.limits().schema_depth_max);
    if (schema == true) return values_.value();
    if (schema == false) return grammar_.nothing();
    if (!schema.is_object()) return fail(ErrorCode::invalid_argument, "a schema must be an object");
    for (const std::string_view keyword : kRefused) {
      if (schema.contains(keyword)) return refuse_keyword(keyword, "is not supported");
    }
    if (schema.contains("uniqueItems") && schema["uniqueItems"] != false)
      return refuse_keyword("uniqueItems", "is not supported");
    const auto ref = schema.find("$ref");
    if (ref != schema.end() && stands_alone(schema)) {
      const Json* target = ref->is_string() ? find_reference(root_, *ref) : nullptr;
      if (target == nullptr) return refuse_keyword("$ref", "names nothing in this schema");
      return grammar_.call(rule_of(*ref, *target));
    }
    if (ref != schema.end() || schema.contains("allOf")) {
      BATON_TRY(flat, flatten_schema(root_, schema, budget_));
      return read(flat, depth + 1);
    }
    for (const char* keyword : {"anyOf", "oneOf"}) {
      if (schema.contains(keyword)) return any_of(schema, keyword, depth);
    }
    BATON_TRY(made, plain(schema, depth));
    if (schema.value("nullable", Json()) == true)  // as OpenAPI says it
      return grammar_.choice({made, values_.null()});
    return made;
  }

  // Nothing beside $ref says anything about the value.
  static bool stands_alone(const Json& schema) {
    for (const auto& [key, value] : schema.items()) {
      if (kTypeOf.contains(key) || key == "type" || key == "enum" || key == "const" ||
          key == "anyOf" || key == "oneOf" || key == "allOf" || key == "nullable")
        return false;
    }
    return true;
  }

  Made any_of(const Json& schema, const std::string& keyword, uint32_t depth) {
    const Json branches = schema[keyword];
    if (!branches.is_array() || branches.empty())
      return refuse_keyword(keyword, "must be a list of schemas");
    Json base = schema;
    base.erase(keyword);
    const bool alone = stands_alone(base);
    std::vector<ExpressionId> ways;
    for (size_t i = 0; i < branches.size(); ++i) {
      Json branch = branches[i];
      if (!alone && branch.is_object()) {
        BATON_TRY(flat, flatten_schema(root_, branch, budget_));
        BATON_TRY(merged, merge_schemas(root_, base, flat, budget_));
        branch = std::move(merged);
      } else if (!alone && branch == true) {
        branch = base;
      }
      kept_.push_back(std::move(branch));
      BATON_TRY(made, inner(kept_.back(), fmt::format("{}/{}", keyword, i), depth));
      ways.push_back(made);
    }
    return grammar_.choice(std::move(ways));
  }

  Made plain(const Json& schema, uint32_t depth) {
    BATON_TRY(types, types_of(schema));
    if (schema.contains("const") || schema.contains("enum")) return constants(schema, types);
    if (!schema.contains("type")) {
      std::vector<std::string> meant;
      for (const auto& [key, value] : schema.items()) {
        const auto about = kTypeOf.find(key);
        if (about != kTypeOf.end() && std::ranges::find(meant, about->second) == meant.end())
          meant.emplace_back(about->second);
      }
      if (meant.empty()) return values_.value();
      types = std::move(meant);
    }
    std::vector<ExpressionId> ways;
    for (const std::string& type : types) {
      BATON_TRY(made, of_type(type, schema, depth));
      ways.push_back(made);
    }
    return grammar_.choice(std::move(ways));
  }

  Made of_type(const std::string& type, const Json& schema, uint32_t depth) {
    if (type == "object") return object(schema, depth);
    if (type == "array") return array(schema, depth);
    if (type == "string") return string(schema);
    if (type == "number" || type == "integer") return number(schema, type == "number");
    return type == "boolean" ? values_.boolean() : values_.null();
  }

  static bool has_type(const Json& value, const std::vector<std::string>& types) {
    const auto has = [&](std::string_view type) {
      return std::ranges::find(types, type) != types.end();
    };
    if (value.is_object()) return has("object");
    if (value.is_array()) return has("array");
    if (value.is_string()) return has("string");
    if (value.is_boolean()) return has("boolean");
    if (value.is_null()) return has("null");
    const bool whole =
        value.is_number_integer() || std::trunc(value.get<double>()) == value.get<double>();
    return has("number") || (whole && has("integer"));
  }

  Made constants(const Json& schema, const std::vector<std::string>& types) {
    const bool one = schema.contains("const");
    const Json list = one ? Json::array({schema["const"]}) : schema["enum"];
    if (!list.is_array() || list.empty()) return refuse_keyword("enum", "must be a list of values");
    if (one && schema.contains("enum")) {
      const Json& allowed = schema["enum"];
      if (!allowed.is_array() ||
          std::find(allowed.begin(), allowed.end(), list[0]) == allowed.end())
        return refuse_keyword("enum", "has not the value that 'const' names");
    }
    std::vector<std::string> texts;
    for (const Json& value : list) {
      if (has_type(value, types)) texts.push_back(value.dump());
    }
    if (texts.empty())
      return refuse_keyword(one ? "const" : "enum", "has no value of the type asked for");
    return grammar_.one_of(std::move(texts));
  }

  Result<std::optional<uint32_t>> count(const Json& schema, const char* keyword, uint32_t most) {
    const auto found = schema.find(keyword);
    if (found == schema.end()) return std::optional<uint32_t>();
    const bool whole = found->is_number() && found->get<double>() >= 0 &&
                       std::trunc(found->get<double>()) == found->get<double>();
    if (!whole) return refuse_keyword(keyword, "must be a whole number, 0 or more");
    if (found->get<double>() > most)
      return refuse_keyword(keyword, fmt::format("is more than {}", most));
    return std::optional(static_cast<uint32_t>(found->get<double>()));
  }

  Made string(const Json& schema) {
    BATON_TRY(min, count(schema, "minLength", kLengthMax));
    BATON_TRY(max, count(schema, "maxLength", kLengthMax));
    const bool counted = min.value_or(0) > 0 || max;
    std::optional<std::string> pattern;
    if (const auto format = schema.find("format"); format != schema.end()) {
      if (format->is_string()) pattern = format_pattern(format->get<std::string>());
      if (!pattern) return refuse_keyword("format", "names a format that is not supported");
      if (schema.contains("pattern") || counted)
        return refuse_keyword("format", "is not supported together with 'pattern' or a length");
      pattern = "^(" + *pattern + ")$";
    }
    if (const auto given = schema.find("pattern"); given != schema.end()) {
      if (!given->is_string()) return refuse_keyword("pattern", "must be a text");
      if (counted) return refuse_keyword("pattern", "is not supported together with a length");
      pattern = given->get<std::string>();
    }
    if (pattern) return matching(*pattern);
    if (!counted) return values_.string();
    if (max && *max < min.value_or(0))
      return refuse_keyword("maxLength", "is less than 'minLength'");
    return values_.string(min.value_or(0), max.value_or(kUnbounded));
  }

  Made matching(const std::string& pattern) {
    RegexOptions options;
    options.search = true;
    options.spell = [this](Grammar&, const CodePointSet& set) { return values_.spelled(set); };
    options.anything = [this](Grammar&) { return values_.any_characters(); };
    const auto inside = read_regex(grammar_, pattern, options);
    if (!inside)
      return refuse_keyword("pattern", fmt::format("can't be kept: {}", inside.error().message));
    return grammar_.sequence({grammar_.literal("\""), *inside, grammar_.literal("\"")});
  }

  Made number(const Json& schema, bool fractions) {
    NumberRange range{.fractions = fractions};
    bool bounded = false;
    for (const char* keyword : {"minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"}) {
      const auto found = schema.find(keyword);
      if (found == schema.end()) continue;
      if (!found->is_number()) return refuse_keyword(keyword, "must be a number");
      const bool least = std::string_view(keyword).ends_with("inimum");
      bool excluded = std::string_view(keyword).starts_with("excl");
      double bound = found->get<double>();
      if (std::abs(bound) > static_cast<double>(kBoundMax))
        return refuse_keyword(keyword, fmt::format("is not within +-{}", kBoundMax));
      auto whole = found->is_number_integer() ? found->get<int64_t>()
                                              : static_cast<int64_t>(std::trunc(bound));
      if (!found->is_number_integer() && bound != std::trunc(bound)) {
        if (fractions)
          return refuse_keyword(keyword, "must be a whole number to be supported here");
        whole = static_cast<int64_t>(least ? std::ceil(bound) : std::floor(bound));
        excluded = false;
      }
      bounded = true;
      auto& known = least ? range.min : range.max;
      bool& out = least ? range.above_min : range.below_max;
      const bool stricter = !known || (least ? whole > *known : whole < *known);
      if (known && whole == *known)
        out = out || excluded;
      else if (stricter)
        known = whole, out = excluded;
    }
    if (!bounded) return fractions ? values_.number() : values_.integer();
    return number_in(grammar_, range);
  }

  Made array(const Json& schema, uint32_t depth) {
    BATON_TRY(min, count(schema, "minItems", kItemsMax));
    BATON_TRY(max, count(schema, "maxItems", kItemsMax));
    if (max && *max < min.value_or(0)) return refuse_keyword("maxItems", "is less than 'minItems'");
    std::vector<ExpressionId> first;
    if (const auto prefix = schema.find("prefixItems"); prefix != schema.end()) {
      if (!prefix->is_array()) return refuse_keyword("prefixItems", "must be a list of schemas");
      for (size_t i = 0; i < prefix->size(); ++i) {
        BATON_TRY(made, inner((*prefix)[i], fmt::format("prefixItems/{}", i), depth));
        first.push_back(made);
      }
    }
    std::optional<ExpressionId> rest;
    const auto items = schema.find("items");
    if (items != schema.end() && items->is_array())
      return refuse_keyword("items", "must be one schema; use 'prefixItems' for a list");
    if (items != schema.end() && *items != false) {
      BATON_TRY(made, inner(*items, "items", depth));
      rest = made;
    } else if (items == schema.end() && first.empty()) {
      rest = values_.value();
    }
    if (!rest && min.value_or(0) > first.size())
      return refuse_keyword("minItems", "asks for more items than are allowed");
    // A copy for each of many items would be large: they call a rule instead.
    if (rest && (min.value_or(0) > 1 || max)) {
      const RuleId item = grammar_.declare("item", true);
      grammar_.define(item, *rest);
      rest = grammar_.call(item);
    }
    return values_.array_of(first, rest, min.value_or(0), max.value_or(kUnbounded));
  }

  Made object(const Json& schema, uint32_t depth) {
    const Json none = Json::object();
    const auto members = schema.find("properties");
    const auto rest = schema.find("additionalProperties");
    const auto needed = schema.find("required");
    if (members != schema.end() && !members->is_object())
      return refuse_keyword("properties", "must be an object of schemas");
    std::vector<std::string> required;
    if (needed != schema.end()) {
      const auto text = [](const Json& name) { return name.is_string(); };
      if (!needed->is_array() || !std::all_of(needed->begin(), needed->end(), text))
        return refuse_keyword("required", "must be a list of names");
      required = needed->get<std::vector<std::string>>();
    }
    const bool closed = rest != schema.end() && *rest == false;
    const bool open = rest != schema.end() && !closed;
    if (members == schema.end() && required.empty() && !closed && (!open || *rest == true))
      return values_.object();
    return object_of(members == schema.end() ? none : *members, required, closed,
                     open ? &*rest : nullptr, depth);
  }

  Made object_of(const Json& members, const std::vector<std::string>& required, bool closed,
                 const Json* rest, uint32_t depth) {
    std::vector<ListItem> list;
    std::vector<std::string> names;
    const auto add = [&](const std::string& name, const Json& schema, bool must) -> Result<void> {
      if (name.size() > kNameBytesMax)
        return refuse_keyword("properties",
                              fmt::format("has a name of more than {} bytes", kNameBytesMax));
      names.push_back(name);
      if (schema == false && !must) return {};
      BATON_TRY(value, inner(schema, "properties/" + name, depth));
      list.push_back({.expression = values_.member(grammar_.literal(json_quoted(name)), value),
                      .required = must});
      return {};
    };
    const auto is_required = [&](const std::string& name) {
      return std::ranges::find(required, name) != required.end();
    };
    for (const auto& [name, schema] : members.items()) {
      BATON_CHECKED(add(name, schema, is_required(name)));
    }
    for (const std::string& name : required) {
      if (std::ranges::find(names, name) != names.end()) continue;
      if (closed)
        return refuse_keyword("required", fmt::format("names \"{}\", which is not allowed", name));
      BATON_CHECKED(add(name, rest != nullptr ? *rest : Json(true), true));
    }
    if (rest != nullptr) {
      BATON_TRY(value, inner(*rest, "additionalProperties", depth));
      list.push_back(
          {.expression = values_.member(values_.other_key(names), value), .repeats = true});
    }
    return values_.object_of(std::move(list));
  }

  Grammar& grammar_;
  JsonValues& values_;
  const Json& root_;
  std::map<std::string, RuleId> rules_;  // by $ref
  std::deque<Todo> todo_;
  std::deque<Json> kept_;  // merged schemas
  std::string place_ = "#";
  uint32_t schemas_ = 0;
  MergeBudget budget_;
};

}  // namespace

Result<RuleId> add_schema(Grammar& grammar, JsonValues& values, std::string_view schema) {
  const Limits& limits = grammar.limits();
  if (schema.size() > limits.text_bytes_max)
    return fail(ErrorCode::invalid_argument, "it is longer than {} bytes", limits.text_bytes_max);
  const checkpoint::JsonLimits json{.depth_max = 4 * size_t{limits.schema_depth_max},
                                    .values_max = kJsonValuesMax};
  BATON_TRY(root, checkpoint::parse_strict_ordered_json(schema, "the schema", json));
  Reader reader(grammar, values, root);
  const auto rule = reader.run();
  if (!rule)
    return fail(ErrorCode::invalid_argument, "{}, at {}", rule.error().message, reader.place());
  return rule;
}

Result<void> read_schema(Grammar& grammar, std::string_view schema) {
  JsonValues values(grammar);
  BATON_TRY(root, add_schema(grammar, values, schema));
  grammar.set_root(root);
  return {};
}

void read_any_object(Grammar& grammar) {
  const RuleId root = grammar.declare("root");
  grammar.define(root, JsonValues(grammar).object());
  grammar.set_root(root);
}

}  // namespace baton::constraint
