#include "model/constraint/grammar/automaton.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/constraint/support.h"

namespace baton::constraint {
namespace {

using ::testing::HasSubstr;
using testing::takes;

TEST(Automaton, is_deterministic_where_the_grammar_is_not) {
  // The last letter but three is an a: 16 states, whatever way it is written.
  const auto automaton = compile(Form::regex, "(a|b)*a(a|b)(a|b)(a|b)");
  ASSERT_TRUE(automaton);
  EXPECT_LE(automaton->states(), 1u + 1 + 16 + 4);
  EXPECT_TRUE(takes(*automaton, "bbabbb"));
  EXPECT_FALSE(takes(*automaton, "bbbabb"));
  EXPECT_GT(automaton->bytes(), 0u);
}

TEST(Automaton, has_no_more_states_than_allowed) {
  const auto large = compile(Form::regex, "(a|b)*a(a|b){18}");
  ASSERT_FALSE(large);
  EXPECT_THAT(large.error().message, HasSubstr("regex: it is too large: more than 32000 states"));
  EXPECT_FALSE(compile(Form::regex, "abc", {.states_max = 2}));
  EXPECT_FALSE(compile(Form::regex, "[a-z]{50}", {.steps_max = 10}));
}

// From every state that is reached the end is near: nothing leads astray.
TEST(Automaton, every_state_leads_to_an_end) {
  for (const char* pattern : {"a(b|c)d*", "(ab|ac|ad)e", "x{3,7}y?"}) {
    const auto automaton = compile(Form::regex, pattern);
    ASSERT_TRUE(automaton);
    std::vector<bool> good(automaton->states());
    for (bool again = true; again;) {
      again = false;
      for (size_t s = 1; s < automaton->states(); ++s) {
        bool leads = automaton->ends(static_cast<State>(s));
        for (int byte = 0; byte < 256 && !leads; ++byte) {
          const State next = automaton->next(static_cast<State>(s), static_cast<uint8_t>(byte));
          leads = next != kDead && good[next];
        }
        if (leads && !good[s]) good[s] = again = true;
      }
    }
    for (size_t s = 1; s < automaton->states(); ++s) EXPECT_TRUE(good[s]) << pattern << ' ' << s;
  }
}

TEST(Automaton, calls_are_letters_of_a_rule) {
  const auto automaton = compile(Form::grammar, R"g(root ::= "(" root ")" | "x")g");
  ASSERT_TRUE(automaton);
  const State open = automaton->next(automaton->root(), '(');
  ASSERT_NE(open, kDead);
  ASSERT_EQ(automaton->calls(open).size(), 1u);
  EXPECT_EQ(automaton->start(automaton->calls(open)[0].rule), automaton->root());
  EXPECT_FALSE(automaton->plain(open));
  const State end = automaton->next(automaton->calls(open)[0].after, ')');
  EXPECT_TRUE(automaton->only_ends(end));
}

}  // namespace
}  // namespace baton::constraint
