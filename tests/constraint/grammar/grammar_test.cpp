#include "model/constraint/grammar/grammar.h"

#include <gtest/gtest.h>

#include "tests/constraint/support.h"

namespace baton::constraint {
namespace {

bool takes(Grammar& grammar, ExpressionId body, std::string_view text) {
  const RuleId root = grammar.declare("root");
  grammar.define(root, body);
  grammar.set_root(root);
  const auto automaton = Automaton::compile(grammar);
  return automaton && testing::takes(*automaton, text);
}

TEST(Grammar, expressions_mean_what_they_say) {
  Grammar g;
  const auto a = g.literal("a"), bc = g.literal("bc");
  for (const auto& [body, yes, no] :
       std::vector<std::tuple<ExpressionId, std::string, std::string>>{
           {bc, "bc", "b"},
           {g.empty(), "", "a"},
           {g.characters({{0x4E00, 0x4E01}}), "\u4E01", "\u4E02"},
           {g.one_of({"to", "tomato", "x"}), "tomato", "toma"},
           {g.one_of({"", "x"}), "", "xx"},
           {g.sequence({a, bc, a}), "abca", "abc"},
           {g.choice({a, bc}), "bc", "abc"},
           {g.repeat(a, 2, 3), "aaa", "aaaa"},
           {g.repeat(a, 2, 3), "aa", "a"},
           {g.repeat(bc, 1, kUnbounded), "bcbcbc", ""},
           {g.optional(a), "", "aa"},
       }) {
    EXPECT_TRUE(takes(g, body, yes)) << yes;
    EXPECT_FALSE(takes(g, body, no)) << no;
  }
}

TEST(Grammar, a_list_has_its_items_in_order_and_all_that_are_required) {
  Grammar g;
  const auto list = g.sequence({g.literal("{"),
                                g.list(g.literal("<"),
                                       {{.expression = g.literal("a")},
                                        {.expression = g.literal("b"), .required = true},
                                        {.expression = g.literal("c")},
                                        {.expression = g.literal("z"), .repeats = true}},
                                       g.literal(","), g.literal(">")),
                                g.literal("}")});
  for (const char* yes : {"{<b>}", "{<a,b>}", "{<b,c>}", "{<a,b,c,z,z,z>}", "{<b,z>}"})
    EXPECT_TRUE(takes(g, list, yes)) << yes;
  for (const char* no : {"{}", "{<>}", "{<a>}", "{<a,c>}", "{<b,a>}", "{<b,>}", "{<,b>}", "{<bc>}",
                         "{<b,z,c>}", "{b}"})
    EXPECT_FALSE(takes(g, list, no)) << no;
  const auto loose =
      g.list(g.literal("<"), {{.expression = g.literal("a")}}, g.literal(","), g.literal(">"));
  EXPECT_TRUE(takes(g, loose, ""));
  EXPECT_TRUE(takes(g, loose, "<a>"));
  EXPECT_FALSE(takes(g, loose, "<>"));
}

TEST(Grammar, one_that_is_too_large_says_so) {
  Grammar g({.expressions_max = 10});
  ExpressionId body = g.literal("a");
  for (int i = 0; i < 20; ++i) body = g.sequence({body, body});
  EXPECT_TRUE(g.too_large());
  EXPECT_FALSE(takes(g, body, "a"));
  Grammar few({.rules_max = 2});
  for (int i = 0; i < 3; ++i) few.declare("rule");
  EXPECT_TRUE(few.too_large());
}

}  // namespace
}  // namespace baton::constraint
