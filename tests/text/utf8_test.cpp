#include "model/text/utf8.h"

#include <gtest/gtest.h>

namespace baton::text {
namespace {

TEST(Utf8, KnowsEveryCharacterThatItWrites) {
  for (char32_t c = 0; c <= 0x10FFFF; c += c < 0x3000 ? 1 : 97) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    std::string text;
    append_utf8(text, c);
    const Utf8Step step = utf8_step(text + "x");
    EXPECT_EQ(step.kind, Utf8::whole);
    EXPECT_EQ(step.bytes, text.size());
    EXPECT_EQ(step.code_point, c);
  }
}

TEST(Utf8, ReplacesEachMaximalBadSequenceOnce) {
  const std::string r(replacement_character);
  EXPECT_EQ(to_valid_utf8("a\x80z"), "a" + r + "z");
  EXPECT_EQ(to_valid_utf8("\xE2\x82z"), r + "z");       // a beginning, then no continuation
  EXPECT_EQ(to_valid_utf8("\xC0\xAF"), r + r);          // overlong
  EXPECT_EQ(to_valid_utf8("\xED\xA0\x80"), r + r + r);  // a surrogate
  EXPECT_EQ(to_valid_utf8("\xF4\x90\x80\x80"), r + r + r + r);
  EXPECT_EQ(to_valid_utf8("\xF0\x9F\x98"), r);  // cut off at the end
}

TEST(Utf8, LeavesOutWhatMoreBytesCouldComplete) {
  size_t cut_off = 0;
  EXPECT_EQ(to_valid_utf8("ab\xF0\x9F\x98", &cut_off), "ab");
  EXPECT_EQ(cut_off, 3u);
  EXPECT_EQ(to_valid_utf8("ab", &cut_off), "ab");
  EXPECT_EQ(cut_off, 0u);
}

}  // namespace
}  // namespace baton::text
