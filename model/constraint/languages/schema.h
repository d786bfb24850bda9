// schema: a JSON schema as a grammar: every text of the grammar is valid by the schema.
//
// The grammar is narrower than the schema: members come in the order in which the schema declares
// them, members that it doesn't declare only where additionalProperties says so (as strict modes
// read it), numbers and white space are bounded (JsonValues), and a keyword for one type is taken
// to mean that type. oneOf is read as anyOf. Title, description, default, examples and keywords
// that JSON Schema doesn't know mean nothing. A keyword that can't be kept is refused by its name.
// Limits: Limits in grammar.h. Thread safety: pure functions.
#pragma once

#include <string_view>

#include "base/result.h"
#include "model/constraint/languages/json_values.h"

namespace baton::constraint {

// Declares all rules and sets the root. The sentence of a refusal names the place in the schema.
Result<void> read_schema(Grammar& grammar, std::string_view schema);
// The same as a rule that others may call; `values` is shared by all schemas of a grammar.
Result<RuleId> add_schema(Grammar& grammar, JsonValues& values, std::string_view schema);
// Any JSON object.
void read_any_object(Grammar& grammar);

}  // namespace baton::constraint
