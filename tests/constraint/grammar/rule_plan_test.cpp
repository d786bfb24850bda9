#include "model/constraint/grammar/rule_plan.h"

#include <gtest/gtest.h>

namespace baton::constraint {
namespace {

TEST(RulePlan, small_rules_are_copied_and_recursive_shared_or_large_ones_called) {
  Grammar g;
  const RuleId root = g.declare("root"), small = g.declare("small"), nest = g.declare("nest"),
               shared = g.declare("shared", true), large = g.declare("large"),
               once = g.declare("once"), unused = g.declare("unused");
  g.define(small, g.literal("s"));
  g.define(nest, g.choice({g.empty(), g.sequence({g.literal("("), g.call(nest)})}));
  g.define(shared, g.literal("x"));
  g.define(large, g.repeat(g.literal("abc"), 0, 100));
  g.define(once, g.repeat(g.literal("abc"), 1, 100));
  g.define(unused, g.literal("u"));
  g.define(root, g.sequence({g.call(small), g.call(small), g.call(nest), g.call(shared),
                             g.call(large), g.call(large), g.call(once)}));
  g.set_root(root);
  const auto plan = plan_rules(g);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->rules.front(), root);
  EXPECT_EQ(plan->rules.size(), 4u);
  const auto called = [&](RuleId rule) {
    return plan->called[static_cast<size_t>(rule)] != RulePlan::kCopied;
  };
  EXPECT_TRUE(called(root) && called(nest) && called(shared) && called(large));
  EXPECT_FALSE(called(small) || called(once) || called(unused));
  const auto nullable = [&](RuleId rule) { return plan->nullable[static_cast<size_t>(rule)]; };
  EXPECT_TRUE(nullable(nest) && nullable(large));
  EXPECT_FALSE(nullable(root) || nullable(small) || nullable(once));
}

TEST(RulePlan, every_cycle_has_a_rule_that_is_called) {
  Grammar g;
  const RuleId a = g.declare("a"), b = g.declare("b"), c = g.declare("c");
  g.define(a, g.sequence({g.literal("a"), g.optional(g.choice({g.call(b), g.call(c)}))}));
  g.define(b, g.sequence({g.literal("b"), g.call(a)}));
  g.define(c, g.sequence({g.literal("c"), g.call(b)}));
  g.set_root(a);
  const auto plan = plan_rules(g);
  ASSERT_TRUE(plan);
  EXPECT_NE(plan->called[0], RulePlan::kCopied);
}

TEST(RulePlan, a_rule_without_a_body_is_named) {
  Grammar g;
  const RuleId root = g.declare("root");
  g.define(root, g.call(g.declare("ghost")));
  g.set_root(root);
  const auto plan = plan_rules(g);
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().message, "the rule \"ghost\" is not defined");
}

}  // namespace
}  // namespace baton::constraint
