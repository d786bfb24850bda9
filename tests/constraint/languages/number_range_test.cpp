#include "model/constraint/languages/number_range.h"

#include <gtest/gtest.h>

#include "tests/constraint/support.h"

namespace baton::constraint {
namespace {

std::optional<Automaton> automaton_of(const NumberRange& range) {
  Grammar g;
  const RuleId root = g.declare("root");
  g.define(root, number_in(g, range));
  g.set_root(root);
  auto automaton = Automaton::compile(g);
  if (!automaton) return std::nullopt;
  return std::move(*automaton);
}

bool inside(double value, const NumberRange& r) {
  const bool above = !r.min || (r.above_min ? value > double(*r.min) : value >= double(*r.min));
  const bool below = !r.max || (r.below_max ? value < double(*r.max) : value <= double(*r.max));
  return above && below;
}

std::vector<NumberRange> ranges() {
  std::vector<NumberRange> all;
  const std::vector<std::optional<int64_t>> bounds{std::nullopt, -1234, -100, -11, -1, 0, 1, 9,
                                                   10,           99,    105,  1000};
  for (const auto& min : bounds) {
    for (const auto& max : bounds) {
      for (int open = 0; open < 4; ++open)
        all.push_back(
            {.min = min, .max = max, .above_min = (open & 1) != 0, .below_max = (open & 2) != 0});
    }
  }
  return all;
}

TEST(NumberRange, has_exactly_the_integers_between_its_bounds) {
  for (const NumberRange& range : ranges()) {
    const auto automaton = automaton_of(range);
    for (int value = -1300; value <= 1300; value += value > -130 && value < 130 ? 1 : 13) {
      const bool in = automaton && testing::takes(*automaton, std::to_string(value));
      ASSERT_EQ(in, inside(value, range))
          << value << " in " << range.min.value_or(-9999) << ".." << range.max.value_or(9999);
    }
    if (automaton) {
      EXPECT_FALSE(testing::takes(*automaton, "1.5"));
      EXPECT_FALSE(testing::takes(*automaton, "-0"));
      EXPECT_FALSE(testing::takes(*automaton, "07"));
    }
  }
}

TEST(NumberRange, has_fractions_between_its_bounds) {
  for (NumberRange range : ranges()) {
    range.fractions = true;
    const auto automaton = automaton_of(range);
    for (const int whole :
         {-1234, -1001, -101, -100, -12, -11, -2, -1, 0, 1, 8, 9, 10, 98, 104, 105, 1000}) {
      for (const char* fraction : {"", ".5", ".001", ".999"}) {
        const std::string text = std::to_string(whole) + fraction;
        const bool in = automaton && testing::takes(*automaton, text);
        ASSERT_EQ(in, inside(std::stod(text), range))
            << text << " in " << range.min.value_or(-9999) << ".." << range.max.value_or(9999)
            << range.above_min << range.below_max;
      }
    }
    const bool in = automaton && testing::takes(*automaton, "-0.25");
    EXPECT_EQ(in, inside(-0.25, range));
  }
}

TEST(NumberRange, large_bounds) {
  const auto automaton = automaton_of({.min = -9007199254740991, .max = 9007199254740991});
  ASSERT_TRUE(automaton);
  EXPECT_TRUE(testing::takes(*automaton, "9007199254740991"));
  EXPECT_FALSE(testing::takes(*automaton, "9007199254740992"));
  EXPECT_TRUE(testing::takes(*automaton, "-9007199254740991"));
  const auto open = automaton_of({.min = kBoundMax});
  ASSERT_TRUE(open);
  EXPECT_TRUE(testing::takes(*open, "99999999999999999"));
  EXPECT_TRUE(testing::takes(*open, "100000000000000000"));
  EXPECT_FALSE(testing::takes(*open, "99999999999999998"));
}

}  // namespace
}  // namespace baton::constraint
