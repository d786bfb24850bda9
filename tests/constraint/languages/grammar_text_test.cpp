#include "model/constraint/languages/grammar_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/constraint/markers.h"
#include "tests/constraint/support.h"

namespace baton::constraint {
namespace {

using ::testing::HasSubstr;
using testing::takes;

TEST(GrammarText, reads_rules_over_lines_with_comments) {
  const auto automaton = compile(Form::grammar, R"(
# An answer.
root   ::= "yes" | 'no' ", because " reason+   # and why
reason ::= [a-z ]{1,5}
           ("." | "!")
)");
  ASSERT_TRUE(automaton) << automaton.error().message;
  for (const char* yes : {"yes", "no, because a.", "no, because it is!abc."})
    EXPECT_TRUE(takes(*automaton, yes)) << yes;
  for (const char* no : {"", "no", "no, because ", "no, because toolong.", "yes."})
    EXPECT_FALSE(takes(*automaton, no)) << no;
}

TEST(GrammarText, rules_nest) {
  const auto automaton = compile(Form::grammar, R"g(
root ::= expr
expr ::= term (("+" | "-") term)*
term ::= [0-9]+ | "(" expr ")"
)g");
  ASSERT_TRUE(automaton);
  for (const char* yes : {"1", "1+2-3", "((1))", "(1+(2-3))-44"})
    EXPECT_TRUE(takes(*automaton, yes)) << yes;
  for (const char* no : {"", "1+", "(1", "1)", "()", "1++2"})
    EXPECT_FALSE(takes(*automaton, no)) << no;
}

// Two readings at once, and frames that are shared: a^n (b | c)^n, palindromes, balanced brackets.
TEST(GrammarText, grammars_that_can_be_read_in_several_ways) {
  const auto pairs = compile(Form::grammar, R"(root ::= "a" root "b" | "a" root "c" | "x")");
  ASSERT_TRUE(pairs);
  EXPECT_TRUE(takes(*pairs, "aaaaxbcbc"));
  EXPECT_FALSE(takes(*pairs, "aaaaxbcb"));
  const auto palindrome =
      compile(Form::grammar, R"(root ::= "a" root "a" | "b" root "b" | "a" | "b" | "")");
  ASSERT_TRUE(palindrome);
  for (unsigned bits = 0; bits < 1u << 9; ++bits) {
    std::string text;
    for (unsigned b = bits | 1u << 9; b > 1; b >>= 1) text += (b & 1) != 0 ? 'a' : 'b';
    text = text.substr(0, bits % 10);
    EXPECT_EQ(takes(*palindrome, text), std::equal(text.begin(), text.end(), text.rbegin()))
        << text;
  }
  const auto list = compile(Form::grammar, R"(root ::= item root | item
                                              item ::= "a" | "ab" | "b")");
  ASSERT_TRUE(list);
  Matcher matcher(*list);
  for (int i = 0; i < 20'000; ++i) ASSERT_TRUE(matcher.advance("ab"));
  EXPECT_TRUE(matcher.can_end());
  EXPECT_LE(matcher.readings().size(), 4u);
}

TEST(GrammarText, escapes_and_sets) {
  EXPECT_TRUE(takes(Form::grammar, R"(root ::= "\n\t\"\\\x41\u4E2D" .)", "\n\t\"\\A\u4E2Dz"));
  EXPECT_TRUE(takes(Form::grammar, R"(root ::= [^"\\] "'" ['])", "a''"));
  EXPECT_TRUE(takes(Form::grammar, R"(root ::= ("a"?){2} "b"{1,} "c"{3}?)", "abb"));
}

TEST(GrammarText, schemas_and_markers_stand_among_the_rest) {
  const auto automaton = compile(Form::grammar, R"g(
root ::= "f" <｜tool▁sep｜> %json {"type":"object","properties":{"a}\"{":{"enum":[1,"]"]}},
                                  "required":["a}\"{"]} end | "g" %json true "."
end  ::= <｜tool▁call▁end｜>
)g");
  ASSERT_TRUE(automaton) << automaton.error().message;
  const std::string sep(marker_byte("<｜tool▁sep｜>")), end(marker_byte("<｜tool▁call▁end｜>"));
  for (const std::string& yes : {"f" + sep + R"({"a}\"{": 1})" + end,
                                 "f" + sep + R"({"a}\"{":"]"})" + end, std::string("g[1, {}].")})
    EXPECT_TRUE(takes(*automaton, yes)) << yes;
  for (const std::string& no : {"f" + sep + "{}" + end, R"(f<｜tool▁sep｜>{"a}\"{": 1})" + end,
                                std::string("g."), "f" + end + R"({"a}\"{": 1})" + end})
    EXPECT_FALSE(takes(*automaton, no)) << no;
}

TEST(GrammarText, mistakes_name_their_line) {
  const auto refusal = [](std::string_view text) { return testing::refusal(Form::grammar, text); };
  EXPECT_THAT(refusal("start: \"a\""), HasSubstr("::="));
  EXPECT_THAT(refusal("a ::= \"x\""), HasSubstr("root"));
  EXPECT_THAT(refusal("root ::= \"a\"\nroot ::= \"b\""), HasSubstr("line 2"));
  EXPECT_THAT(refusal("root ::= ghost"), HasSubstr("\"ghost\" is not defined"));
  EXPECT_THAT(refusal("root ::= (\"a\""), HasSubstr("not closed"));
  EXPECT_THAT(refusal("root ::= \"a"), HasSubstr("not closed"));
  EXPECT_THAT(refusal("root ::= \"\\d\""), HasSubstr("one character"));
  EXPECT_THAT(refusal("root ::= \"a\"{,3}"), HasSubstr("number"));
  EXPECT_THAT(refusal("root ::= root \"a\" | \"b\""), HasSubstr("calls itself"));
  EXPECT_THAT(refusal("root ::= %"), HasSubstr("'%'"));
  EXPECT_THAT(refusal("root ::= <think>"), HasSubstr("'<'"));
  EXPECT_THAT(refusal("root ::= <"), HasSubstr("'<'"));
  EXPECT_THAT(refusal("root ::= \"a\"\n  %json {\"not\":{}}"),
              ::testing::AllOf(HasSubstr("line 2"), HasSubstr("'not'")));
  EXPECT_THAT(refusal("root ::= %json {\"type\":"), HasSubstr("line 1"));
  EXPECT_THAT(refusal("root ::= %json"), HasSubstr("line 1"));
  EXPECT_THAT(refusal(""), HasSubstr("root"));
  EXPECT_THAT(refusal(std::string(70'000, ' ')), HasSubstr("65536 bytes"));
}

}  // namespace
}  // namespace baton::constraint
