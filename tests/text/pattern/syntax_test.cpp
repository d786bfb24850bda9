#include "model/text/pattern/syntax.h"

#include <gtest/gtest.h>

#include "model/text/pattern/unicode.h"

namespace baton::text::pattern {
namespace {

CodePointSet only_set(std::string_view regex) {
  const auto parts = parse_pattern(regex);
  EXPECT_TRUE(parts) << regex << ": " << parts.error().message;
  EXPECT_EQ(parts->size(), 1u) << regex;
  return std::get<CodePointSet>(parts->front());
}

TEST(Syntax, ReadsClassesAsSets) {
  EXPECT_EQ(only_set("[a-cx]"), (CodePointSet{{'a', 'c'}, {'x', 'x'}}));
  EXPECT_EQ(only_set("[^\\r\\n]"), ~(CodePointSet{{'\n', '\n'}, {'\r', '\r'}}));
  EXPECT_EQ(only_set("[\\]\\-^-]"), (CodePointSet{{']', '^'}, {'-', '-'}}));
  EXPECT_EQ(only_set("[一-龥]"), (CodePointSet{{0x4E00, 0x9FA5}}));
  EXPECT_EQ(only_set("\\x{4e00}"), CodePointSet::of(0x4E00));
  EXPECT_EQ(only_set("\\p{^L}"), ~*unicode_property("L"));
  EXPECT_EQ(only_set("\\S"), ~unicode_white_space());
}

TEST(Syntax, IntersectsAndNestsClasses) {
  EXPECT_EQ(only_set("[\\p{Lo}\\p{M}&&[^\\p{Han}]]"),
            (*unicode_property("Lo") | *unicode_property("M")) & ~*unicode_property("Han"));
  EXPECT_EQ(only_set("[a[b-d]]"), (CodePointSet{{'a', 'd'}}));
}

TEST(Syntax, CaseInsensitiveGroupsFoldToUnicodeVariants) {
  const auto parts = parse_pattern("(?i:sk)s");
  ASSERT_TRUE(parts);
  ASSERT_EQ(parts->size(), 5u);
  EXPECT_TRUE(std::get<CodePointSet>((*parts)[1]).contains(0x17F));
  EXPECT_TRUE(std::get<CodePointSet>((*parts)[1]).contains('S'));
  EXPECT_TRUE(std::get<CodePointSet>((*parts)[2]).contains(0x212A));
  EXPECT_EQ(std::get<CodePointSet>((*parts)[4]), CodePointSet::of('s'));
}

TEST(Syntax, KeepsOperators) {
  const auto parts = parse_pattern("(a|b)?c{1,3}(?!d)");
  ASSERT_TRUE(parts);
  EXPECT_EQ(std::get<std::string>(parts->front()), "(?:");
}

TEST(Syntax, RefusesWhatItDoesNotUnderstand) {
  for (const char* regex :
       {"(",   ")",    "a)",          "[a",      "[z-a]",  "\\p{Nope}", "\\p{L",
        "\\q", "\\",   "\\1",         "(?<n>a)", "(?P>x)", "(*F)",      "[[:alpha:]]",
        "a{",  "a{x}", "\\x{110000}", "\\xg0",   "\xFF",   "(?m)a"}) {
    EXPECT_FALSE(parse_pattern(regex)) << regex;
  }
  EXPECT_FALSE(parse_pattern(std::string(pattern_bytes_max + 1, 'a')));
}

}  // namespace
}  // namespace baton::text::pattern
