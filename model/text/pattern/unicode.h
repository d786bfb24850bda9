// The Unicode 16 properties that tokenizer patterns name: general categories, white space, scripts.
//
// The regular-expression library knows another version of Unicode, so patterns never ask it.
// The data are a generated table (unicode_data.cpp). Thread safety: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "model/text/pattern/code_point_set.h"

namespace baton::text::pattern {

// "L", "Lu", "Letter", "Han", "Script=Han", "White_Space", ...; nothing for an unknown name.
std::optional<CodePointSet> unicode_property(std::string_view name);

CodePointSet unicode_white_space();  // \s: with U+0085, without U+180E, U+200B and U+FEFF
CodePointSet unicode_word();         // \w: alphabetic, marks, decimal digits, connectors

namespace unicode_data {

inline constexpr size_t category_count = 30;
extern const char category_names[category_count][3];
extern const uint32_t category_runs[];  // first code point * 32 + category, ascending
extern const size_t category_run_count;
extern const CodePointRange white_space[], han[], hiragana[], katakana[], hangul[],
    alphabetic_symbols[];
extern const size_t white_space_count, han_count, hiragana_count, katakana_count, hangul_count,
    alphabetic_symbols_count;

}  // namespace unicode_data
}  // namespace baton::text::pattern
