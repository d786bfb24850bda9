#include "model/text/pattern/unicode.h"

#include <array>
#include <utility>
#include <vector>

namespace baton::text::pattern {
namespace {

using namespace unicode_data;

CodePointSet from_table(const CodePointRange* ranges, size_t count) {
  return CodePointSet(std::vector<CodePointRange>(ranges, ranges + count));
}

// Categories whose name begins with `prefix`, which is one or two letters.
std::optional<CodePointSet> category(std::string_view prefix) {
  std::vector<CodePointRange> ranges;
  bool known = false;
  for (size_t i = 0; i < category_run_count; ++i) {
    const std::string_view name = category_names[category_runs[i] % 32];
    if (!name.starts_with(prefix)) continue;
    known = true;
    const char32_t last =
        i + 1 < category_run_count ? category_runs[i + 1] / 32 - 1 : code_point_max;
    ranges.push_back({category_runs[i] / 32, last});
  }
  if (!known) return std::nullopt;
  return CodePointSet(std::move(ranges));
}

constexpr std::array<std::pair<std::string_view, std::string_view>, 9> long_names{{
    {"Letter", "L"},
    {"Mark", "M"},
    {"Number", "N"},
    {"Punctuation", "P"},
    {"Symbol", "S"},
    {"Separator", "Z"},
    {"Other", "C"},
    {"Uppercase_Letter", "Lu"},
    {"Lowercase_Letter", "Ll"},
}};

}  // namespace

std::optional<CodePointSet> unicode_property(std::string_view name) {
  for (std::string_view prefix : {"Script=", "sc=", "Is"}) {
    if (name.starts_with(prefix)) name.remove_prefix(prefix.size());
  }
  if (name == "White_Space" || name == "Space") return unicode_white_space();
  if (name == "Han") return from_table(han, han_count);
  if (name == "Hiragana") return from_table(hiragana, hiragana_count);
  if (name == "Katakana") return from_table(katakana, katakana_count);
  if (name == "Hangul") return from_table(hangul, hangul_count);
  for (const auto& [long_name, short_name] : long_names) {
    if (name == long_name) name = short_name;
  }
  if (name.empty() || name.size() > 2) return std::nullopt;
  return category(name);
}

CodePointSet unicode_white_space() { return from_table(white_space, white_space_count); }

CodePointSet unicode_word() {
  return *category("L") | *category("M") | *category("Nd") | *category("Nl") | *category("Pc") |
         from_table(alphabetic_symbols, alphabetic_symbols_count);
}

}  // namespace baton::text::pattern
