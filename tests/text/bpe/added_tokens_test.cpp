#include "model/text/bpe/added_tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::text::bpe {
namespace {

using ::testing::ElementsAre;

// Stretches as texts, those that are tokens in brackets.
std::vector<std::string> shown(const std::vector<AddedToken>& tokens, const std::string& text,
                               std::vector<TrustedRange> trusted) {
  const auto added = std::move(AddedTokens::build(tokens).value());
  std::vector<std::string> out;
  for (const auto& stretch : added.split(text, trusted)) {
    auto part = text.substr(stretch.begin, stretch.end - stretch.begin);
    out.push_back(stretch.token ? "[" + part + "]" : part);
  }
  return out;
}

std::vector<std::string> shown(const std::vector<AddedToken>& tokens, const std::string& text) {
  return shown(tokens, text, {{0, text.size()}});
}

const std::vector<AddedToken> nested{{.id = 1, .content = "<a>"}, {.id = 2, .content = "<a><b>"}};

TEST(AddedTokens, TheLongestOfTheLeftmostCounts) {
  EXPECT_THAT(shown(nested, "x<a><b><a>y"), ElementsAre("x", "[<a><b>]", "[<a>]", "y"));
  EXPECT_THAT(shown(nested, "<a><b"), ElementsAre("[<a>]", "<b"));
  EXPECT_THAT(shown(nested, "none <a"), ElementsAre("none <a"));
  EXPECT_THAT(shown(nested, ""), ElementsAre());
}

TEST(AddedTokens, CountOnlyWhereAllOfThemIsTrusted) {
  EXPECT_THAT(shown(nested, "<a><a><a>", {{0, 3}, {4, 9}}), ElementsAre("[<a>]", "<a>", "[<a>]"));
  EXPECT_THAT(shown(nested, "<a><b>", {{0, 5}}), ElementsAre("[<a>]", "<b>"));
  EXPECT_THAT(shown(nested, "<a><b>", {}), ElementsAre("<a><b>"));
}

TEST(AddedTokens, NormalizedOnesComeSecond) {
  const std::vector<AddedToken> tokens{{.id = 1, .content = "xy", .normalized = true},
                                       {.id = 2, .content = "yz"}};
  EXPECT_THAT(shown(tokens, "xyz xy"), ElementsAre("x", "[yz]", " ", "[xy]"));
}

TEST(AddedTokens, TakeWhiteSpaceAndRespectWords) {
  const std::vector<AddedToken> strip{{.id = 1, .content = "<m>", .lstrip = true, .rstrip = true}};
  EXPECT_THAT(shown(strip, "a  <m>\u3000b"), ElementsAre("a", "[  <m>\u3000]", "b"));
  EXPECT_THAT(shown(strip, " <m> <m> "), ElementsAre("[ <m> ]", "[<m> ]"));
  const std::vector<AddedToken> word{{.id = 1, .content = "cat", .single_word = true}};
  EXPECT_THAT(shown(word, "cat concat cats éscat cat."),
              ElementsAre("[cat]", " concat cats éscat ", "[cat]", "."));
}

TEST(AddedTokens, EmptyAndHugeOnesAreRefused) {
  EXPECT_FALSE(AddedTokens::build({{.id = 1, .content = ""}}));
  EXPECT_FALSE(AddedTokens::build({{.id = 1, .content = std::string(600, 'x')}}));
}

}  // namespace
}  // namespace baton::text::bpe
