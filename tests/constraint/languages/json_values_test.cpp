#include "model/constraint/languages/json_values.h"

#include <gtest/gtest.h>

#include "tests/constraint/support.h"

namespace baton::constraint {
namespace {

using Make = ExpressionId (*)(JsonValues&);

Automaton automaton_of(Make make) {
  Grammar g;
  JsonValues values(g);
  const RuleId root = g.declare("root");
  g.define(root, make(values));
  g.set_root(root);
  auto automaton = Automaton::compile(g);
  EXPECT_TRUE(automaton);
  return std::move(*automaton);
}

void expect(const Automaton& automaton, std::vector<std::string> yes, std::vector<std::string> no) {
  for (const auto& text : yes) EXPECT_TRUE(testing::takes(automaton, text)) << text;
  for (const auto& text : no) EXPECT_FALSE(testing::takes(automaton, text)) << text;
}

TEST(JsonValues, strings_hold_whole_characters_and_known_escapes) {
  expect(automaton_of([](JsonValues& v) { return v.string(); }),
         {R"("")", R"("a b")", R"("\"\\\/\b\f\n\r\t")", R"("\u00e9\u4F60\uD83D\uDE00")",
          "\"\u4F60\U0001F600\""},
         {"", "\"", "a", "\"a", R"("\x")", R"("\u12")", R"("\uD83D")", R"("\uDE00")", "\"\n\"",
          "\"\xE4\xBD\"", R"("\uD83D\u0041")"});
}

TEST(JsonValues, numbers_are_finite_and_integers_whole) {
  expect(automaton_of([](JsonValues& v) { return v.number(); }),
         {"0", "-0", "12", "-3.25", "1e5", "2.5E-10", "123456789012345678", "0.5"},
         {"", "-", "01", "1.", ".5", "1e", "1e999", "+1", "1234567890123456789", "NaN", "0x1"});
  expect(automaton_of([](JsonValues& v) { return v.integer(); }),
         {"0", "7", "-42", "999999999999999999"}, {"", "-0", "1.0", "1e3", "007", "-"});
}

TEST(JsonValues, white_space_is_bounded) {
  const auto automaton = automaton_of([](JsonValues& v) { return v.value(); });
  expect(automaton,
         {"{}", "[]", R"({"a":1})", R"({"a": [1, 2,3], "b": {"c": null}})",
          "{\n  \"a\": true,\n  \"b\": [\n    1\n  ]\n}", "[\n\t\"x\"\n]", "[ 1 ]",
          "[[[[[[[[[[[[]]]]]]]]]]]]"},
         {" {}", "{} ", "{ }", "{\n\n\"a\":1}", "{\"a\":  1}", "{\"a\" :1}", "[1 ,2]", "[1,]",
          "{\"a\":1,}", "[1 2]", "{1:2}", "[\r\n1]", "[\n" + std::string(25, ' ') + "1]"});
}

TEST(JsonValues, strings_of_a_length_count_characters) {
  expect(automaton_of([](JsonValues& v) { return v.string(2, 3); }),
         {"\"ab\"", "\"\u4F60\u597D\U0001F600\"", R"("\n\"")"},
         {"\"a\"", "\"abcd\"", "\"\u4F60\"", "\"\""});
  expect(automaton_of([](JsonValues& v) { return v.string(1, kUnbounded); }),
         {"\"a\"", "\"abcdefgh\""}, {"\"\""});
}

TEST(JsonValues, another_key_is_none_of_those_that_are_known) {
  expect(automaton_of([](JsonValues& v) {
           return v.other_key({"a", "abc", "\u4F60\u597D", "with\"quote"});
         }),
         {"\"\"", "\"b\"", "\"ab\"", "\"abcd\"", "\"abx\"", "\"\u4F60\"", "\"\u4F60\u597D!\""},
         {"\"a\"", "\"abc\"", "\"\u4F60\u597D\"", R"("\u0061")", "\"with\\\"quote\"", "a"});
  expect(automaton_of([](JsonValues& v) { return v.other_key({""}); }), {"\"x\""}, {"\"\""});
}

TEST(JsonValues, arrays_have_as_many_items_as_asked_for) {
  expect(automaton_of([](JsonValues& v) { return v.array_of({}, v.boolean(), 2, 3); }),
         {"[true,false]", "[true, true, true]"}, {"[]", "[true]", "[true,true,true,true]"});
  expect(automaton_of([](JsonValues& v) {
           return v.array_of({v.integer(), v.null()}, v.boolean(), 0, kUnbounded);
         }),
         {"[1,null]", "[1,null,true,false]"}, {"[]", "[1]", "[null,1]", "[1,null,2]"});
  expect(automaton_of([](JsonValues& v) { return v.array_of({v.integer()}, {}, 0, 0); }), {"[]"},
         {"[1]"});
}

}  // namespace
}  // namespace baton::constraint
