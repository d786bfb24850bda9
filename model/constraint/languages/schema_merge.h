// schema_merge: two JSON schemas as one that both allow, and where a $ref leads.
//
// What both say of the same thing is joined: the stricter bound, common types and values, members
// of both. What can't be joined simply is refused by name: two patterns, two anyOf, ...
// Thread safety: pure functions.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "base/result.h"

namespace baton::constraint {

using Json = nlohmann::ordered_json;  // members in the order of the text

// A keyword at fault, in a sentence that names it.
Error refuse_keyword(std::string_view keyword, std::string_view why);

// What a local $ref ("#", "#/$defs/name") means in `root`; null: nothing, or it isn't local.
const Json* find_reference(const Json& root, const std::string& reference);

// How many JSON values may be copied yet, in all of a schema: a small one can ask for a lot.
struct MergeBudget {
  size_t values = 1'000'000;
};

// Without $ref and allOf on top: both are followed and joined. `root` holds what is referred to.
Result<Json> flatten_schema(const Json& root, const Json& schema, MergeBudget& budget);
// Both must be flat; the result is.
Result<Json> merge_schemas(const Json& root, const Json& a, const Json& b, MergeBudget& budget);

// The types that a schema allows; all seven if it doesn't say.
Result<std::vector<std::string>> types_of(const Json& schema);

}  // namespace baton::constraint
