#include "server/api/request/constraint_spec.h"

#include <initializer_list>

#include "model/checkpoint/strict_json.h"

namespace baton::server::api {

namespace {

using Kind = ConstraintSpec::Kind;

constexpr size_t kTextBytesMax = 64 * 1024;
constexpr size_t kChoicesMax = 1024;

// A schema may come as text, from clients of old.
std::optional<Json> schema_of(const Json& value) {
  if (value.is_object() || value.is_boolean()) return value;
  if (!value.is_string()) return std::nullopt;
  const auto& text = value.get_ref<const std::string&>();
  if (text.size() > kTextBytesMax) return std::nullopt;
  auto parsed = checkpoint::parse_strict_ordered_json(text, "The schema");
  if (!parsed || !parsed->is_object()) return std::nullopt;
  return *std::move(parsed);
}

void read_one(Fields& fields, Kind kind, const Json& value, const std::string& param,
              std::optional<ConstraintSpec>& out) {
  const auto bad = [&](std::string_view what) {
    fields.fail(bad_value(param, "\"{}\" must be {}.", param, what));
  };
  Json read = value;
  if (kind == Kind::json_schema) {
    auto schema = schema_of(value);
    if (!schema) return bad("a JSON schema (an object)");
    read = *std::move(schema);
  } else if (kind == Kind::choice) {
    bool texts = value.is_array() && !value.empty() && value.size() <= kChoicesMax;
    for (size_t i = 0; texts && i < value.size(); ++i) texts = value[i].is_string();
    if (!texts) return bad(fmt::format("a list of 1 to {} texts", kChoicesMax));
  } else if (kind != Kind::json_object) {
    if (!value.is_string() || value.get_ref<const std::string&>().size() > kTextBytesMax) {
      return bad("a text of at most 64 KiB");
    }
  }
  if (out) {
    return fields.fail(bad_value(param, "\"{}\" and \"{}\" both say what form the answer has.",
                                 out->param, param));
  }
  out = ConstraintSpec{kind, std::move(read), param};
}

struct Name {
  const char* name;
  Kind kind;
};

}  // namespace

std::optional<ConstraintSpec> read_format(Fields& fields, const Json& format,
                                          const std::string& param, bool flat) {
  if (!format.is_object()) {
    fields.fail(bad_value(param, "\"{}\" must be an object, not {}.", param, kind_of(format)));
    return std::nullopt;
  }
  const Json type = format.value("type", Json());
  std::optional<ConstraintSpec> spec;
  if (type == "json_object") return ConstraintSpec{Kind::json_object, {}, param};
  if (type == "json_schema") {
    const Json inner = flat ? format : format.value("json_schema", Json());
    const std::string at = flat ? param : param + ".json_schema";
    if (!inner.is_object()) {
      fields.fail(bad_value(at, "\"{}\" must be an object with a schema.", at));
      return spec;
    }
    const Json schema = inner.value("schema", Json());
    // Without a schema any object is asked for, as OpenAI reads it.
    if (schema.is_null()) return ConstraintSpec{Kind::json_object, {}, param};
    read_one(fields, Kind::json_schema, schema, at + ".schema", spec);
    return spec;
  }
  if (type == "regex" || type == "grammar") {  // as Fireworks and others have it
    const char* member = type == "regex" ? "pattern" : "grammar";
    read_one(fields, type == "regex" ? Kind::regex : Kind::grammar, format.value(member, Json()),
             param + "." + member, spec);
    return spec;
  }
  if (type != "text") {
    fields.fail(
        bad_value(param + ".type", "\"{}.type\" must be text, json_object or json_schema.", param));
  }
  return std::nullopt;
}

bool may_name_form(std::string_view body) {
  for (const std::string_view name :
       {"\"response_format\"", "\"structured_outputs\"", "\"guided_", "\"format\"",
        "\"json_schema\"", "\"regex\"", "\"ebnf\"", "\"grammar\"", "\"tool_choice\"",
        "\\u"}) {  // or a name in escapes
    if (body.find(name) != std::string_view::npos) return true;
  }
  return false;
}

std::optional<ConstraintSpec> read_constraint(Fields& fields) {
  std::optional<ConstraintSpec> spec;
  if (const Json* format = fields.get("response_format")) {
    spec = read_format(fields, *format, fields.path("response_format"), false);
  }
  for (const Name& each : std::initializer_list<Name>{{"guided_json", Kind::json_schema},
                                                      {"guided_regex", Kind::regex},
                                                      {"guided_choice", Kind::choice},
                                                      {"guided_grammar", Kind::grammar},
                                                      {"json_schema", Kind::json_schema},
                                                      {"regex", Kind::regex},
                                                      {"ebnf", Kind::grammar},
                                                      {"grammar", Kind::grammar}}) {
    if (const Json* value = fields.get(each.name)) {
      read_one(fields, each.kind, *value, fields.path(each.name), spec);
    }
  }
  const Json* outputs = fields.get("structured_outputs");
  if (!outputs) return spec;
  if (!outputs->is_object()) {
    fields.fail(bad_value("structured_outputs", "\"structured_outputs\" must be an object."));
    return spec;
  }
  Fields inner(*outputs, "structured_outputs.");
  for (const Name& each : std::initializer_list<Name>{{"json", Kind::json_schema},
                                                      {"regex", Kind::regex},
                                                      {"choice", Kind::choice},
                                                      {"grammar", Kind::grammar}}) {
    if (const Json* value = inner.get(each.name)) {
      read_one(fields, each.kind, *value, inner.path(each.name), spec);
    }
  }
  bool any_object = false;
  inner.boolean("json_object", any_object);
  if (any_object) {
    read_one(fields, Kind::json_object, {}, inner.path("json_object"), spec);
  }
  inner.refuse("structural_tag", "only json, regex, choice and grammar are.");
  fields.add(inner);
  return spec;
}

}  // namespace baton::server::api
