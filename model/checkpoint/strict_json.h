// parse_strict_json: JSON as a model folder's files may hold it, and nothing looser.
//
// Refused with one sentence: duplicate keys, invalid UTF-8, numbers out of range, nesting deeper
// than the limit, more values than the limit (which bounds the memory of the result), text after
// the value. Thread safety: a pure function.
#pragma once

#include <cstddef>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/result.h"

namespace baton::checkpoint {

struct JsonLimits {
  size_t depth_max = 32;
  size_t values_max = 4'000'000;  // DeepSeek-V3's whole index has 92 thousand
};

// `where` names the source in sentences, such as "DIR/config.json".
Result<nlohmann::json> parse_strict_json(std::string_view text, std::string_view where,
                                         const JsonLimits& limits = {});

// The same with the keys of objects in the order of the text. Cost: as above; looking a key up in
// the result is linear in the object.
Result<nlohmann::ordered_json> parse_strict_ordered_json(std::string_view text,
                                                         std::string_view where,
                                                         const JsonLimits& limits = {});

// A whole small file as text; refused if it is absent, not a regular file, or over `bytes_max`.
Result<std::string> read_text_file(const std::filesystem::path& path, size_t bytes_max);

}  // namespace baton::checkpoint
