// formats: what JSON Schema's "format" asks of a string, as regular expressions.
//
// Each allows only texts that have the format, though not always all of them: no 29th of February,
// no IPv6 address with `::`. Thread safety: a pure function.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace baton::constraint {

std::optional<std::string> format_pattern(std::string_view format);

}  // namespace baton::constraint
