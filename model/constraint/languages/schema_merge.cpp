#include "model/constraint/languages/schema_merge.h"

#include <algorithm>
#include <array>
#include <set>

namespace baton::constraint {

namespace {

constexpr size_t kReferencesMax = 32;  // followed from one to the next

constexpr std::array<std::string_view, 7> kTypes = {"object",  "array",   "string", "number",
                                                    "integer", "boolean", "null"};

bool one_of(const std::string& key, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), key) != names.end();
}

// As $ref writes them: %XX, then ~1 and ~0.
std::string unescaped(std::string_view part) {
  std::string bytes;
  const auto hex = [](char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : c - 'a' + 10;
  };
  for (size_t i = 0; i < part.size(); ++i) {
    const bool escape = part[i] == '%' && i + 2 < part.size() && std::isxdigit(part[i + 1]) &&
                        std::isxdigit(part[i + 2]);
    bytes += escape ? static_cast<char>(hex(part[i + 1]) * 16 + hex(part[i + 2])) : part[i];
    if (escape) i += 2;
  }
  std::string text;
  for (size_t i = 0; i < bytes.size(); ++i) {
    const bool tilde = bytes[i] == '~' && i + 1 < bytes.size();
    if (tilde && (bytes[i + 1] == '0' || bytes[i + 1] == '1'))
      text += bytes[++i] == '0' ? '~' : '/';
    else
      text += bytes[i];
  }
  return text;
}

size_t values_in(const Json& json) {
  size_t count = 1;
  if (json.is_structured()) {
    for (const Json& each : json) count += values_in(each);
  }
  return count;
}

// A Json converts to anything, a Result's error too.
Result<Json> json(Json value) {
  return Result<Json>(boost::system::in_place_value, std::move(value));
}

class Merger {
 public:
  Merger(const Json& root, MergeBudget& budget) : root_(root), budget_(budget) {}

  Result<Json> flatten(const Json& schema, size_t depth) {
    if (!spend(schema)) return refuse_keyword("allOf", "has too many parts");
    if (depth > kReferencesMax) return refuse_keyword("$ref", "leads in a circle or too far");
    if (!schema.is_object()) return json(schema);
    Json flat = Json::object();
    for (const auto& [key, value] : schema.items()) {
      if (key != "$ref" && key != "allOf") flat[key] = value;
    }
    if (const auto ref = schema.find("$ref"); ref != schema.end()) {
      const Json* target = ref->is_string() ? find_reference(root_, *ref) : nullptr;
      if (target == nullptr) return refuse_keyword("$ref", "names nothing in this schema");
      BATON_TRY(other, flatten(*target, depth + 1));
      BATON_TRY(joined, merge(flat, other));
      flat = std::move(joined);
    }
    if (const auto all = schema.find("allOf"); all != schema.end()) {
      if (!all->is_array() || all->empty())
        return refuse_keyword("allOf", "must be a list of schemas");
      for (const Json& each : *all) {
        BATON_TRY(other, flatten(each, depth + 1));
        BATON_TRY(joined, merge(flat, other));
        flat = std::move(joined);
      }
    }
    return json(std::move(flat));
  }

  Result<Json> merge(const Json& a, const Json& b) {
    if (a == false || b == false) return json(false);
    if (!b.is_object()) return json(a);
    if (!a.is_object()) return json(b);
    if (!spend(a) || !spend(b)) return refuse_keyword("allOf", "has too many parts");
    Json out = a;
    BATON_CHECKED(merge_members(a, b, out));
    for (const auto& [key, value] : b.items()) {
      if (one_of(key, {"properties", "required", "additionalProperties"})) continue;
      const auto had = a.find(key);
      if (had == a.end()) {
        out[key] = value;
      } else if (*had != value) {
        BATON_TRY(joined, join(key, *had, value, a, b));
        out[key] = std::move(joined);
      }
    }
    return json(std::move(out));
  }

 private:
  static Json both(const Json& a, const Json& b) {
    return a == b ? a : Json{{"allOf", Json::array({a, b})}};
  }

  Result<Json> join(const std::string& key, const Json& a, const Json& b, const Json& whole_a,
                    const Json& whole_b) {
    if (key == "type") return join_types(whole_a, whole_b);
    if (key == "enum" && a.is_array() && b.is_array()) {
      Json common = Json::array();
      for (const Json& value : a) {
        if (std::find(b.begin(), b.end(), value) != b.end()) common.push_back(value);
      }
      if (common.empty()) return refuse_keyword("enum", "has no value that all parts allow");
      return json(std::move(common));
    }
    const bool least = one_of(key, {"minimum", "exclusiveMinimum", "minLength", "minItems"});
    const bool most = one_of(key, {"maximum", "exclusiveMaximum", "maxLength", "maxItems"});
    if ((least || most) && a.is_number() && b.is_number()) return json((a > b) == least ? a : b);
    if (one_of(key, {"items"})) return json(both(a, b));
    if (one_of(key, {"$defs", "definitions", "title", "description", "default", "examples",
                     "$comment", "$schema", "$id", "deprecated", "readOnly", "writeOnly"}))
      return json(a);
    return refuse_keyword(key, "is said twice, by parts that can't be joined");
  }

  static Result<Json> join_types(const Json& a, const Json& b) {
    BATON_TRY(first, types_of(a));
    BATON_TRY(second, types_of(b));
    Json common = Json::array();
    const auto has = [](const std::vector<std::string>& types, std::string_view type) {
      return std::find(types.begin(), types.end(), type) != types.end();
    };
    for (const std::string_view type : kTypes) {
      const bool in_a = has(first, type) || (type == "integer" && has(first, "number"));
      const bool in_b = has(second, type) || (type == "integer" && has(second, "number"));
      if (in_a && in_b) common.push_back(type);
    }
    if (has(common.get<std::vector<std::string>>(), "number"))
      common.erase(std::remove(common.begin(), common.end(), Json("integer")), common.end());
    if (common.empty()) return refuse_keyword("type", "has none that all parts allow");
    return json(std::move(common));
  }

  // A member must be allowed by both: as one of its members, or by its additionalProperties.
  Result<void> merge_members(const Json& a, const Json& b, Json& out) {
    const auto part = [](const Json& schema, const char* key) {
      const auto found = schema.find(key);
      return found == schema.end() ? Json() : *found;
    };
    const Json of_a = part(a, "properties"), of_b = part(b, "properties");
    const Json rest_a = part(a, "additionalProperties"), rest_b = part(b, "additionalProperties");
    Json members = Json::object();
    const auto add = [&](const Json& from, const Json& other, const Json& rest) {
      if (!from.is_object()) return;
      for (const auto& [name, schema] : from.items()) {
        if (members.contains(name)) continue;
        if (other.is_object() && other.contains(name))
          members[name] = both(schema, other[name]);
        else if (rest.is_null() || rest == true)
          members[name] = schema;
        else
          members[name] = rest == false ? rest : both(schema, rest);
      }
    };
    add(of_a, of_b, rest_b);
    add(of_b, of_a, rest_a);
    if (!members.empty()) out["properties"] = std::move(members);
    if (!rest_a.is_null() && !rest_b.is_null())
      out["additionalProperties"] =
          rest_a == false || rest_b == false ? Json(false) : both(rest_a, rest_b);
    else if (!rest_b.is_null())
      out["additionalProperties"] = rest_b;
    Json required = part(a, "required");
    const Json more = part(b, "required");
    if (required.is_array() && more.is_array()) {
      for (const Json& name : more) {
        if (std::find(required.begin(), required.end(), name) == required.end())
          required.push_back(name);
      }
    }
    if (required.is_null()) required = more;
    if (!required.is_null()) out["required"] = std::move(required);
    return {};
  }

  bool spend(const Json& value) {
    const size_t cost = values_in(value);
    if (cost > budget_.values) return false;
    budget_.values -= cost;
    return true;
  }

  const Json& root_;
  MergeBudget& budget_;
};

}  // namespace

Error refuse_keyword(std::string_view keyword, std::string_view why) {
  return fail(ErrorCode::invalid_argument, "the keyword '{}' {}", keyword, why);
}

const Json* find_reference(const Json& root, const std::string& reference) {
  if (!reference.starts_with('#')) return nullptr;
  const Json* at = &root;
  for (size_t from = 1; from < reference.size();) {
    if (reference[from] != '/') return nullptr;
    const size_t to = std::min(reference.find('/', from + 1), reference.size());
    const std::string part = unescaped(std::string_view(reference).substr(from + 1, to - from - 1));
    if (at->is_array()) {
      const bool number =
          !part.empty() && part.size() < 6 &&
          std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; });
      if (!number || std::stoul(part) >= at->size()) return nullptr;
      at = &(*at)[std::stoul(part)];
    } else {
      const auto found = at->is_object() ? at->find(part) : at->end();
      if (!at->is_object() || found == at->end()) return nullptr;
      at = &*found;
    }
    from = to;
  }
  return at;
}

Result<Json> flatten_schema(const Json& root, const Json& schema, MergeBudget& budget) {
  return Merger(root, budget).flatten(schema, 0);
}

Result<Json> merge_schemas(const Json& root, const Json& a, const Json& b, MergeBudget& budget) {
  return Merger(root, budget).merge(a, b);
}

Result<std::vector<std::string>> types_of(const Json& schema) {
  std::vector<std::string> types;
  const auto said = schema.find("type");
  if (said == schema.end()) {
    types.assign(kTypes.begin(), kTypes.end());
    std::erase(types, "integer");  // a number too
    return types;
  }
  const Json list = said->is_string() ? Json::array({*said}) : *said;
  if (!list.is_array() || list.empty())
    return refuse_keyword("type", "must be a type's name or a list of them");
  for (const Json& type : list) {
    if (!type.is_string() ||
        std::find(kTypes.begin(), kTypes.end(), type.get_ref<const std::string&>()) == kTypes.end())
      return refuse_keyword("type", fmt::format("names no type of JSON: {}", type.dump()));
    if (std::find(types.begin(), types.end(), type.get_ref<const std::string&>()) == types.end())
      types.push_back(type);
  }
  return types;
}

}  // namespace baton::constraint
