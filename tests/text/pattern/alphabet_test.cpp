#include "model/text/pattern/alphabet.h"

#include <gtest/gtest.h>

namespace baton::text::pattern {
namespace {

Alphabet alphabet_of(std::initializer_list<std::string_view> regexes) {
  std::vector<ParsedPattern> patterns;
  for (const auto regex : regexes) patterns.push_back(parse_pattern(regex).value());
  return std::move(Alphabet::build(patterns).value());
}

TEST(Alphabet, CharactersThatNoPatternTellsApartShareASymbol) {
  const auto alphabet = alphabet_of({"[a-z]+", "\\p{N}"});
  EXPECT_EQ(alphabet.symbol('a'), alphabet.symbol('q'));
  EXPECT_EQ(alphabet.symbol('1'), alphabet.symbol(0x10D40));
  EXPECT_EQ(alphabet.symbol('A'), alphabet.symbol(0x10FFFF));
  EXPECT_NE(alphabet.symbol('a'), alphabet.symbol('A'));
}

TEST(Alphabet, TranscodesOneSymbolACharacter) {
  const auto alphabet = alphabet_of({"\\p{L}"});
  const auto plain = alphabet.transcode("ab ");
  EXPECT_EQ(plain.symbols.size(), 3u);
  EXPECT_TRUE(plain.offsets.empty());
  const auto mixed = alphabet.transcode(
      "a中\xFF"
      "b");
  EXPECT_EQ(mixed.symbols.size(), 4u);
  EXPECT_EQ(mixed.offsets, (std::vector<uint32_t>{0, 1, 4, 5, 6}));
  EXPECT_EQ(mixed.symbols[0], mixed.symbols[1]);
  EXPECT_NE(mixed.symbols[1], mixed.symbols[2]);
}

TEST(Alphabet, RefusesMoreThan256Kinds) {
  std::string regex;
  for (int i = 0; i < 257; ++i) regex += fmt::format("\\x{{{:x}}}", 0x4E00 + i);
  EXPECT_FALSE(Alphabet::build({parse_pattern(regex).value()}));
}

}  // namespace
}  // namespace baton::text::pattern
