#include "model/text/pattern/regex.h"

#include <gtest/gtest.h>

namespace baton::text::pattern {
namespace {

TEST(Regex, FindsTheLeftmostMatchFromAPlace) {
  const auto regex = std::move(Regex::compile("[b]+").value());
  Regex::Scratch scratch;
  const auto match = regex.find("abba b", 0, scratch).value();
  ASSERT_TRUE(match);
  EXPECT_EQ(match->begin, 1u);
  EXPECT_EQ(match->end, 3u);
  EXPECT_EQ(regex.find("abba b", 3, scratch).value()->begin, 5u);
  EXPECT_FALSE(regex.find("abba", 4, scratch).value());
}

TEST(Regex, MatchesTextsOfAnyLength) {
  const auto regex = std::move(Regex::compile("(?:[a][b]?)+[c]").value());
  Regex::Scratch scratch;
  std::string text;
  for (int i = 0; i < 200'000; ++i) text += "ab";
  EXPECT_EQ(regex.find(text + "c", 0, scratch).value()->end, 400'001u);
}

TEST(Regex, RefusesAPatternThatDoesNotCompile) {
  const auto refused = Regex::compile("(?:");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::unsupported);
}

}  // namespace
}  // namespace baton::text::pattern
