#include "model/text/pattern/unicode.h"

#include <gtest/gtest.h>

namespace baton::text::pattern {
namespace {

TEST(Unicode, CategoriesCoverEveryCodePointOnce) {
  CodePointSet all;
  size_t total = 0;
  for (std::string_view letter : {"L", "M", "N", "P", "S", "Z", "C"}) {
    const auto set = unicode_property(letter);
    ASSERT_TRUE(set);
    for (const auto& range : set->ranges()) total += range.last - range.first + 1;
    all = all | *set;
  }
  EXPECT_EQ(all, CodePointSet::all());
  EXPECT_EQ(total, code_point_max + 1u);
}

TEST(Unicode, KnowsVersion16) {
  EXPECT_TRUE(unicode_property("So")->contains(0x1FAE8));  // Unicode 15: shaking face
  EXPECT_TRUE(unicode_property("Lo")->contains(0x31350));  // Unicode 15: ideograph
  EXPECT_TRUE(unicode_property("Lu")->contains(0x1C89));   // Unicode 16: Cyrillic capital tje
  EXPECT_TRUE(unicode_property("Nd")->contains(0x10D40));  // Unicode 16: Garay digit zero
}

TEST(Unicode, WhiteSpaceIsTheStandards) {
  const auto space = unicode_white_space();
  for (char32_t c : {0x09, 0x0A, 0x0D, 0x20, 0x85, 0xA0, 0x1680, 0x2028, 0x3000}) {
    EXPECT_TRUE(space.contains(c)) << static_cast<uint32_t>(c);
  }
  for (char32_t c : {0x180E, 0x200B, 0xFEFF, 0x1C})
    EXPECT_FALSE(space.contains(c)) << static_cast<uint32_t>(c);
}

TEST(Unicode, KnowsScriptsLongNamesAndNothingElse) {
  EXPECT_TRUE(unicode_property("Han")->contains(U'中'));
  EXPECT_TRUE(unicode_property("Script=Han")->contains(U'々'));
  EXPECT_FALSE(unicode_property("Han")->contains(U'ひ'));
  EXPECT_EQ(unicode_property("Letter"), unicode_property("L"));
  EXPECT_FALSE(unicode_property("Klingon"));
  EXPECT_FALSE(unicode_property(""));
  EXPECT_TRUE(unicode_word().contains('_'));
  EXPECT_TRUE(unicode_word().contains(0x24B6));  // a circled letter is alphabetic
}

}  // namespace
}  // namespace baton::text::pattern
