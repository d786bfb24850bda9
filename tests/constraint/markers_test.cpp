#include "model/constraint/markers.h"

#include <gtest/gtest.h>

#include <set>

#include "model/text/utf8.h"
#include "tests/constraint/support.h"

namespace baton::constraint {
namespace {

constexpr std::string_view kAll[] = {"<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>",
                                     "<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>",
                                     "<｜tool▁sep｜>"};

TEST(Markers, each_has_a_byte_of_its_own_that_no_text_holds) {
  std::set<std::string_view> bytes;
  for (const auto spelled : kAll) {
    const std::string_view byte = marker_byte(spelled);
    ASSERT_EQ(byte.size(), 1u) << spelled;
    EXPECT_TRUE(bytes.insert(byte).second) << spelled;
    EXPECT_TRUE(holds_marker_byte("ab" + std::string(byte)));
    EXPECT_EQ(text::utf8_step(byte).kind, text::Utf8::bad);
  }
  EXPECT_EQ(marker_byte("<think>"), "");
  EXPECT_EQ(marker_byte(""), "");
  std::string all;
  for (char32_t c = 1; c < 0x110000; c += 0x3F) {
    if (c < 0xD800 || c > 0xDFFF) text::append_utf8(all, c);
  }
  EXPECT_FALSE(holds_marker_byte(all));
}

// Neither the spelling nor the byte as text is taken for the token.
TEST(Markers, a_mask_allows_the_token_and_not_its_spelling) {
  const auto automaton = compile(Form::grammar, "root ::= [a-z]+ <｜tool▁sep｜> \"x\"{1,80}");
  ASSERT_TRUE(automaton) << automaton.error().message;
  const testing::Vocabulary vocabulary({"a", std::string(marker_byte("<｜tool▁sep｜>")),
                                        "<｜tool▁sep｜>", "<", "x",
                                        std::string(marker_byte("<｜tool▁call▁end｜>")), "xx"});
  Masks masks(*automaton, vocabulary.trie);
  Matcher matcher(*automaton);
  std::vector<uint64_t> mask(masks.words());
  masks.fill(matcher, mask);
  EXPECT_EQ(mask[0], 0b1010001u);
  ASSERT_TRUE(matcher.advance("a"));
  masks.fill(matcher, mask);
  EXPECT_EQ(mask[0], 0b1010011u);
  ASSERT_TRUE(matcher.advance(marker_byte("<｜tool▁sep｜>")));
  masks.fill(matcher, mask);
  EXPECT_EQ(mask[0], 0b1010000u);
}

}  // namespace
}  // namespace baton::constraint
