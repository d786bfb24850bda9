#include "model/constraint/languages/regex.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>

#include "tests/constraint/support.h"

namespace baton::constraint {
namespace {

using ::testing::HasSubstr;

// Every text of up to five letters, against the C++ library.
TEST(Regex, takes_what_another_engine_takes) {
  const std::string letters = "ab0";
  std::vector<std::string> texts{""};
  for (size_t i = 0; i < texts.size() && texts[i].size() < 5; ++i) {
    for (const char c : letters) texts.push_back(texts[i] + c);
  }
  for (const char* pattern : {"a",
                              "ab",
                              "a|b0",
                              "(a|b)*",
                              "a+b?",
                              "a{2}",
                              "a{2,}b",
                              "(ab){1,2}",
                              "[ab]{0,3}0",
                              "[^a]+",
                              "a.b",
                              "(a*)*b",
                              "((a|b)(a|0))+",
                              "\\d+",
                              "\\w\\D",
                              "a??b*?",
                              "(?:ab|a)(b|0)",
                              "(|a)b",
                              "a{0,2}a{2}",
                              "(a|ab)(c|bcd|0)?",
                              "^ab$",
                              "^a|b$",
                              "\\x61[\\x62-\\x63]",
                              "()",
                              "[a-b0-0]*"}) {
    const auto automaton = compile(Form::regex, pattern);
    ASSERT_TRUE(automaton) << pattern;
    const std::regex other(pattern);
    for (const std::string& text : texts) {
      EXPECT_EQ(testing::takes(*automaton, text), std::regex_match(text, other))
          << pattern << " with \"" << text << '"';
    }
  }
}

TEST(Regex, characters_are_whole_ones) {
  EXPECT_TRUE(testing::takes(Form::regex, ".{2}", "\u4F60\U0001F600"));
  EXPECT_FALSE(testing::takes(Form::regex, ".", "\xE4\xBD"));
  EXPECT_TRUE(testing::takes(Form::regex, "[\u4E00-\u9FFF]+", "\u4F60\u597D"));
  EXPECT_TRUE(testing::takes(Form::regex, "\\p{Lu}\\p{Ll}*", "\u00C9t\u00E9"));
  EXPECT_FALSE(testing::takes(Form::regex, ".", "\n"));
}

TEST(Regex, what_no_automaton_can_do_is_named) {
  const auto refusal = [](const char* pattern) { return testing::refusal(Form::regex, pattern); };
  EXPECT_THAT(refusal("(?=a)b"), HasSubstr("look-ahead"));
  EXPECT_THAT(refusal("(?!a)b"), HasSubstr("look-ahead"));
  EXPECT_THAT(refusal("(?<=a)b"), HasSubstr("look-behind"));
  EXPECT_THAT(refusal("(?<!a)b"), HasSubstr("look-behind"));
  EXPECT_THAT(refusal("(a)\\1"), HasSubstr("back-references"));
  EXPECT_THAT(refusal("\\bword"), HasSubstr("word boundaries"));
  EXPECT_THAT(refusal("(?>a)"), HasSubstr("atomic"));
  EXPECT_THAT(refusal("(?i)a"), HasSubstr("flags"));
  EXPECT_THAT(refusal("a++"), HasSubstr("possessive"));
  EXPECT_THAT(refusal("a^b"), HasSubstr("anchors"));
  EXPECT_THAT(refusal("(a$)"), HasSubstr("anchors"));
  for (const char* broken :
       {"(a", "a)", "*a", "a{2,1}", "a{x}", "a{2", "[a", "\\", "\xFF", "a{99999}"}) {
    EXPECT_THAT(refusal(broken), HasSubstr("regex: ")) << broken;
  }
  EXPECT_THAT(refusal(std::string(200, '(').c_str()), HasSubstr("too deep"));
  EXPECT_THAT(testing::refusal(Form::regex, std::string(70'000, 'a')), HasSubstr("65536 bytes"));
}

TEST(Regex, names_of_groups_mean_nothing) {
  EXPECT_TRUE(testing::takes(Form::regex, "(?<year>\\d{4})-(?P<month>\\d\\d)", "2024-06"));
}

TEST(Regex, a_search_finds_its_pattern_anywhere_unless_it_is_anchored) {
  for (const auto& [pattern, text, found] :
       std::vector<std::tuple<const char*, const char*, bool>>{{"b", "abc", true},
                                                               {"^b", "abc", false},
                                                               {"^a", "abc", true},
                                                               {"b$", "abc", false},
                                                               {"^x|c$", "abc", true},
                                                               {"^$", "", true},
                                                               {"^$", "a", false}}) {
    Grammar g;
    RegexOptions options;
    options.search = true;
    options.anything = [](Grammar& in) {
      return in.repeat(in.characters(CodePointSet::all()), 0, kUnbounded);
    };
    const auto body = read_regex(g, pattern, options);
    ASSERT_TRUE(body);
    const RuleId root = g.declare("root");
    g.define(root, *body);
    g.set_root(root);
    EXPECT_EQ(testing::takes(*Automaton::compile(g), text), found) << pattern << ' ' << text;
  }
}

}  // namespace
}  // namespace baton::constraint
