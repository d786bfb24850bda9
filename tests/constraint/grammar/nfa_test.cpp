#include "model/constraint/grammar/nfa.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::constraint {
namespace {

using ::testing::HasSubstr;

std::string refusal(Grammar& g, RuleId root) {
  g.set_root(root);
  const auto nfa = build_nfa(g);
  return nfa ? "" : nfa.error().message;
}

TEST(Nfa, a_rule_calls_only_later_ones_before_it_reads) {
  Grammar g;
  const RuleId last = g.declare("last", true), middle = g.declare("middle", true),
               root = g.declare("root", true);
  g.define(last, g.literal("x"));
  g.define(middle, g.choice({g.call(last), g.sequence({g.literal("("), g.call(root)})}));
  g.define(root, g.sequence({g.optional(g.call(last)), g.call(middle)}));
  g.set_root(root);
  const auto nfa = build_nfa(g);
  ASSERT_TRUE(nfa);
  ASSERT_EQ(nfa->rules.size(), 3u);
  EXPECT_EQ(nfa->root, 0u);
  for (uint32_t r = 0; r < 3; ++r) {
    const uint32_t start = nfa->rules[r].start;
    for (uint32_t i = nfa->from[start]; i < nfa->from[start + 1]; ++i) {
      if (nfa->edges[i].kind != Nfa::Edge::Kind::call) continue;
      EXPECT_GT(nfa->edges[i].rule, r);
    }
  }
}

TEST(Nfa, refuses_what_never_ends_or_reads_nothing_for_ever) {
  Grammar g;
  const RuleId left = g.declare("left"), a = g.declare("a", true), b = g.declare("b", true),
               endless = g.declare("endless"), none = g.declare("none");
  g.define(left, g.choice({g.literal("x"), g.sequence({g.call(left), g.literal("y")})}));
  EXPECT_THAT(refusal(g, left), HasSubstr("\"left\" calls itself before it reads"));
  g.define(a, g.sequence({g.repeat(g.literal("x"), 0, 5), g.call(b)}));
  g.define(b, g.choice({g.literal("."), g.call(a)}));
  EXPECT_THAT(refusal(g, a), HasSubstr("calls itself before it reads"));
  g.define(endless, g.sequence({g.literal("x"), g.call(endless)}));
  EXPECT_THAT(refusal(g, endless), HasSubstr("no text at all"));
  g.define(none, g.choice({g.nothing(), g.sequence({g.literal("x"), g.nothing()})}));
  EXPECT_THAT(refusal(g, none), HasSubstr("no text at all"));
}

TEST(Nfa, one_way_that_never_ends_is_only_left_out) {
  Grammar g;
  const RuleId endless = g.declare("endless", true), root = g.declare("root");
  g.define(endless, g.sequence({g.literal("x"), g.call(endless)}));
  g.define(root, g.choice({g.literal("ok"), g.call(endless)}));
  g.set_root(root);
  const auto nfa = build_nfa(g);
  ASSERT_TRUE(nfa);
  for (const auto& edge : nfa->edges) EXPECT_NE(edge.kind, Nfa::Edge::Kind::call);
}

TEST(Nfa, its_size_is_bounded) {
  Grammar g({.nfa_states_max = 1000});
  const RuleId root = g.declare("root");
  ExpressionId body = g.literal("a");
  for (int i = 0; i < 6; ++i) body = g.repeat(body, 4096, 4096);
  g.define(root, body);
  EXPECT_THAT(refusal(g, root), HasSubstr("too large"));
}

}  // namespace
}  // namespace baton::constraint
