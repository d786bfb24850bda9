#include "model/text/pattern/splitter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/text/small_tokenizer.h"

namespace baton::text::pattern {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;

std::vector<std::string> pieces(const Splitter& splitter, const std::string& text) {
  std::vector<std::string> out;
  for (const auto& span : splitter.split(text).value()) {
    out.push_back(text.substr(span.begin, span.end - span.begin));
  }
  return out;
}

std::vector<std::string> pieces(const json& pre_tokenizer, const std::string& text) {
  return pieces(std::move(Splitter::from_json(pre_tokenizer).value()), text);
}

json split(const std::string& behavior, bool invert = false) {
  return {{"type", "Split"},
          {"pattern", {{"String", "-"}}},
          {"behavior", behavior},
          {"invert", invert}};
}

TEST(Splitter, CutsAsDeepSeekDoes) {
  const auto rules = testing::deepseek_pre_tokenizer();
  EXPECT_THAT(pieces(rules, "Hello world, 12345 你好a"),
              ElementsAre("Hello", " world", ",", " ", "123", "45", " ", "你好", "a"));
  EXPECT_THAT(pieces(rules, "a  b\n\n c"), ElementsAre("a", " ", " b", "\n\n", " c"));
  EXPECT_THAT(pieces(rules, "x   "), ElementsAre("x", "   "));
  EXPECT_THAT(pieces(rules, ""), ElementsAre());
}

TEST(Splitter, FollowsEachBehavior) {
  EXPECT_THAT(pieces(split("Removed"), "a-b--c"), ElementsAre("a", "b", "c"));
  EXPECT_THAT(pieces(split("Isolated"), "a-b--c"), ElementsAre("a", "-", "b", "-", "-", "c"));
  EXPECT_THAT(pieces(split("MergedWithPrevious"), "a-b--c"), ElementsAre("a-", "b-", "-", "c"));
  EXPECT_THAT(pieces(split("MergedWithNext"), "a-b--c"), ElementsAre("a", "-b", "-", "-c"));
  EXPECT_THAT(pieces(split("Contiguous"), "a-b--c"), ElementsAre("a", "-", "b", "--", "c"));
  EXPECT_THAT(pieces(split("Removed", true), "a-b--c"), ElementsAre("-", "-", "-"));
}

TEST(Splitter, NoPatternSeesBeyondItsPiece) {
  const json rules = {{"type", "Sequence"},
                      {"pretokenizers", {testing::split("b"), testing::split("\\s+(?!\\S)|\\s")}}};
  // Before "b" the two spaces end their piece, so they stay together.
  EXPECT_THAT(pieces(rules, "a  b"), ElementsAre("a", "  ", "b"));
  EXPECT_THAT(pieces(rules, "a  c"), ElementsAre("a", " ", " ", "c"));
}

TEST(Splitter, KnowsDigitsAndTheSplitOfByteLevel) {
  EXPECT_THAT(pieces({{"type", "Digits"}, {"individual_digits", true}}, "a12"),
              ElementsAre("a", "1", "2"));
  EXPECT_THAT(pieces({{"type", "Digits"}, {"individual_digits", false}}, "a12"),
              ElementsAre("a", "12"));
  EXPECT_THAT(pieces({{"type", "ByteLevel"}, {"add_prefix_space", false}}, "I'll go  on"),
              ElementsAre("I", "'ll", " go", " ", " on"));
}

TEST(Splitter, ARunBeforeTheEndOfALineIsFoundOnceAndInLinearTime) {
  const auto splitter = std::move(Splitter::from_pattern("\\s+$").value());
  EXPECT_THAT(pieces(splitter, "a  \n b  "), ElementsAre("a", "  ", "\n b", "  "));
  // With a search from every place in the run this would take minutes.
  EXPECT_EQ(pieces(splitter, std::string(1 << 20, ' ') + "x").size(), 1u);
}

TEST(Splitter, RefusesWhatItCantDo) {
  for (const json& rules :
       {json{{"type", "Metaspace"}}, json{{"type", "ByteLevel"}}, json(3), json{{"type", "Split"}},
        json{{"type", "Sequence"}},
        json{{"type", "Split"}, {"pattern", {{"Regex", "("}}}, {"behavior", "Isolated"}},
        json{{"type", "Split"}, {"pattern", {{"String", "x"}}}, {"behavior", "Sideways"}}}) {
    EXPECT_FALSE(Splitter::from_json(rules)) << rules;
  }
}

}  // namespace
}  // namespace baton::text::pattern
