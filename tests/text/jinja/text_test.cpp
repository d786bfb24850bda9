#include "model/text/jinja/text.h"

#include <gtest/gtest.h>

namespace baton::text::jinja {
namespace {

TEST(Text, RemembersWhereEachByteCameFrom) {
  Text text("ab", true);
  text.append("cd", true);
  text.append("ef", false);
  text.append("", true);
  EXPECT_EQ(text.bytes(), "abcdef");
  EXPECT_EQ(text.runs(), (std::vector<Text::Run>{{4, true}, {6, false}}));
  EXPECT_FALSE(text.fully_trusted());
}

TEST(Text, SlicesKeepTheOrigin) {
  Text text("abc", true);
  text.append("def", false);
  text.append("ghi", true);
  for (size_t begin = 0; begin <= 9; ++begin) {
    for (size_t end = begin; end <= 9; ++end) {
      const Text part = text.slice(begin, end);
      EXPECT_EQ(part.bytes(), text.bytes().substr(begin, end - begin));
      Text again = text.slice(0, begin);
      again.append(part);
      again.append(text, end, 9);
      EXPECT_EQ(again, text);
    }
  }
  EXPECT_TRUE(Text().fully_trusted());
}

TEST(Text, CountsCodePointsAndPythonsWhiteSpace) {
  EXPECT_EQ(code_point_count("aé中😀"), 4u);
  EXPECT_EQ(code_point_offsets("é中"), (std::vector<size_t>{0, 2, 5}));
  EXPECT_EQ(leading_space(" \t\u3000\x1f x"), 7u);
  EXPECT_EQ(trailing_space("x \u00a0\u2028"), 6u);
  EXPECT_EQ(trailing_space("x\u200b"), 0u);
  EXPECT_EQ(leading_space(""), 0u);
}

}  // namespace
}  // namespace baton::text::jinja
