#include "model/constraint/stretches.h"

#include <gtest/gtest.h>

#include "tests/constraint/support.h"

namespace baton::constraint {
namespace {

State after(const Automaton& automaton, std::string_view text) {
  State state = automaton.root();
  for (const char c : text) state = automaton.next(state, static_cast<uint8_t>(c));
  return state;
}

TEST(Stretches, any_number_of_characters_leads_back) {
  const auto automaton = compile(Form::regex, "\"[^\"\\\\]*\"");
  ASSERT_TRUE(automaton);
  Stretches stretches(*automaton, 128);
  const State inside = after(*automaton, "\"");
  const auto& far = stretches.of(inside);
  EXPECT_EQ(far.next, inside);
  EXPECT_EQ(far.characters, 128u);
  EXPECT_NE(far.kinds & kind_of('a'), 0u);
  EXPECT_NE(far.kinds & kBeyondAscii, 0u);
  EXPECT_EQ(far.kinds & kind_of('"'), 0u);
  EXPECT_EQ(stretches.of(after(*automaton, "")).characters, 1u) << "only a quote may come";
}

TEST(Stretches, a_counted_repetition_is_as_long_as_what_is_left_of_it) {
  const auto automaton = compile(Form::regex, "[a-z]{20}[0-9]");
  ASSERT_TRUE(automaton);
  Stretches stretches(*automaton, 128);
  for (const size_t said : {0u, 5u, 19u}) {
    const auto& far = stretches.of(after(*automaton, std::string(said, 'x')));
    EXPECT_EQ(far.characters, 20 - said);
    EXPECT_EQ(far.kinds, kind_of('a'));
  }
  EXPECT_EQ(stretches.of(after(*automaton, std::string(20, 'x'))).kinds, kind_of('1'));
}

TEST(Stretches, a_kind_of_which_not_all_may_come_is_none) {
  const auto automaton = compile(Form::regex, "[a-y0-9]*");
  ASSERT_TRUE(automaton);
  Stretches stretches(*automaton, 128);
  EXPECT_EQ(stretches.of(automaton->root()).kinds, kind_of('0'));
  const auto han = compile(Form::regex, "[\u4E00-\u9FFFa-z]*");
  ASSERT_TRUE(han);
  Stretches of_han(*han, 128);
  EXPECT_EQ(of_han.of(han->root()).kinds, kind_of('a'));
}

// Counts are alike as far as the shorter way goes; escapes and characters of several bytes too.
TEST(Stretches, states_that_only_count_are_a_family) {
  const auto automaton = compile(Form::json_schema, R"({"type": "string", "maxLength": 30})");
  ASSERT_TRUE(automaton);
  Stretches stretches(*automaton, 128);
  Matcher matcher(*automaton);
  ASSERT_TRUE(matcher.advance("\""));
  uint32_t family = 0;
  for (uint16_t said = 0; said < 28; ++said) {
    State inside = kDead;
    for (const Reading& reading : matcher.readings()) inside = reading.state;
    const auto& here = stretches.of(inside);
    EXPECT_EQ(here.characters, 30 - said);
    EXPECT_GE(here.reach + said, 28) << said;
    EXPECT_LE(here.reach + said, 31) << said;
    if (said > 0) {
      EXPECT_EQ(here.family, family);
    }
    family = here.family;
    ASSERT_TRUE(matcher.advance("x"));
  }
}

// What may be the end of the repetition is one step beside the way, and comes back to it.
TEST(Stretches, states_that_only_count_are_a_family_though_each_may_be_the_last) {
  const auto automaton = compile(Form::regex, "[^\n]{1,60}\\.");
  ASSERT_TRUE(automaton);
  Stretches stretches(*automaton, 128);
  const auto& first = stretches.of(after(*automaton, "xx"));
  EXPECT_GE(first.reach, 50u);
  EXPECT_EQ(stretches.of(after(*automaton, std::string(20, 'x'))).family, first.family);
  EXPECT_NE(stretches.of(after(*automaton, "xx.")).family, first.family) << "it may end here";
}

TEST(Stretches, states_that_do_otherwise_are_none) {
  const auto automaton = compile(Form::regex, "(a|b|c)(a|b)(a|b|c)d?(a|b|c)");
  ASSERT_TRUE(automaton);
  Stretches stretches(*automaton, 128);
  for (const char* said : {"", "a", "aa", "aaa"})
    EXPECT_LE(stretches.of(after(*automaton, said)).reach, 1u) << said;
}

}  // namespace
}  // namespace baton::constraint
