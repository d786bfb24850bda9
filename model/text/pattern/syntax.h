// parse_pattern: takes a tokenizer's regular expression apart into operators and character sets.
//
// Operators (groups, alternation, repetition, look-around) are kept as they are written; each
// character, escape and class becomes the set of code points it stands for, by Unicode 16. What
// the reference engines read alike is understood: \p{..} \s \d \w \n \x{..} \uXXXX, nested classes
// and && in them, (?i:..) for ASCII letters with their Unicode variants. Anything else is refused
// rather than misread. Thread safety: pure functions.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "model/text/pattern/code_point_set.h"

namespace baton::text::pattern {

using PatternPart = std::variant<std::string, CodePointSet>;  // operator, or one character of a set
using ParsedPattern = std::vector<PatternPart>;

inline constexpr size_t pattern_bytes_max = 16384;

Result<ParsedPattern> parse_pattern(std::string_view regex);

// A pattern that matches exactly `text`, which is UTF-8.
ParsedPattern literal_pattern(std::string_view text);

}  // namespace baton::text::pattern
