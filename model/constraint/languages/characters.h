// Character sets as patterns and grammars write them: escapes and classes.
//
// Both readers take the text and a place in it, and leave the place behind what they have read.
// \d and \w are ASCII, \s is ECMAScript's white space, `.` is all but line ends; \p{..} goes by
// Unicode 16. Thread safety: pure functions.
#pragma once

#include <string_view>

#include "base/result.h"
#include "model/text/pattern/code_point_set.h"

namespace baton::constraint {

using text::pattern::CodePointSet;

// text[at] is a backslash.
Result<CodePointSet> read_escape(std::string_view text, size_t& at);
// text[at] is '['.
Result<CodePointSet> read_class(std::string_view text, size_t& at);
// Any other character: a whole one of UTF-8.
Result<char32_t> read_character(std::string_view text, size_t& at);

CodePointSet any_but_line_ends();

}  // namespace baton::constraint
