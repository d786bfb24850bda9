// JSON in and out of the template language: request data to values, and the filter `tojson`.
//
// to_json writes what Python's json.dumps writes with ensure_ascii=False, as the reference
// renderer does (nothing is escaped for HTML). What it writes counts as request data.
// Thread safety: pure functions on one heap.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/result.h"
#include "model/text/jinja/value.h"

namespace baton::text::jinja {

// Refused if nested deeper than nesting_max. The name of a well-known role under the key "role" is
// trusted whatever the rest is: templates build their markers from it.
Result<Value> from_json(const nlohmann::ordered_json& json, bool trusted, Heap& heap,
                        int depth = 0);

struct JsonStyle {
  int indent = -1;  // negative: one line
  std::string between_items = ", ";
  std::string after_key = ": ";
  bool sort_keys = false;
};

Result<Text> to_json(const Value& value, const JsonStyle& style, Heap& heap);

}  // namespace baton::text::jinja
