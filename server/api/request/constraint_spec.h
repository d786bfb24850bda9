// ConstraintSpec: what form a client wants of an answer: any JSON, a schema, a regular expression,
// one of some texts, or a grammar. Read from every name that clients have for it; whether it can be
// kept to is said by model/constraint. Thread safety: values and pure functions.
#pragma once

#include <optional>
#include <string>

#include "server/api/request/fields.h"

namespace baton::server::api {

struct ConstraintSpec {
  enum class Kind : uint8_t { json_object, json_schema, regex, choice, grammar };
  Kind kind = Kind::json_object;
  Json value;         // the schema, the expression, the list of texts, the grammar
  std::string param;  // the field that asked for it, for errors
};

// response_format, structured_outputs, guided_*, regex, ebnf, grammar, json_schema. Two at once are
// a mistake.
std::optional<ConstraintSpec> read_constraint(Fields& fields);

// {"type": "text" | "json_object" | "json_schema", ...} at `param`, as chats and responses have it.
// `flat`: name and schema lie beside the type (responses), not in an object of their own.
std::optional<ConstraintSpec> read_format(Fields& fields, const Json& format,
                                          const std::string& param, bool flat);

// Whether a body may ask for a form, by its names as text: one that does is never missed.
bool may_name_form(std::string_view body);

}  // namespace baton::server::api
