// Parser: tokens to a syntax tree.
//
// Known statements: for (with if, else, recursive), if, set (inline and block), macro, call,
// filter, with, break, continue, generation (its body only). Templates that include, extend or
// import others are refused: a chat template stands alone. Thread safety: a pure function.
#pragma once

#include <memory>
#include <string_view>

#include "base/result.h"
#include "model/text/jinja/syntax.h"

namespace baton::text::jinja {

inline constexpr uint32_t syntax_depth_max = 200;  // of expressions, and of statements

Result<std::unique_ptr<const SyntaxTree>> parse_template(std::string_view source);

}  // namespace baton::text::jinja
