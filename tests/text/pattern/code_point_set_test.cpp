#include "model/text/pattern/code_point_set.h"

#include <gtest/gtest.h>

namespace baton::text::pattern {
namespace {

TEST(CodePointSet, JoinsRangesThatTouch) {
  const CodePointSet set{{5, 9}, {1, 2}, {3, 4}, {20, 30}};
  EXPECT_EQ(set.ranges(), (std::vector<CodePointRange>{{1, 9}, {20, 30}}));
}

TEST(CodePointSet, ComplementOfTheComplementIsTheSet) {
  const CodePointSet set{{0, 3}, {10, 10}, {code_point_max, code_point_max}};
  EXPECT_EQ(~~set, set);
  EXPECT_TRUE((~CodePointSet::all()).empty());
  EXPECT_EQ(~CodePointSet(), CodePointSet::all());
}

TEST(CodePointSet, UnionAndIntersectionAgreeWithMembership) {
  const CodePointSet a{{1, 5}, {8, 12}}, b{{4, 9}, {12, 14}};
  for (char32_t c = 0; c < 20; ++c) {
    EXPECT_EQ((a | b).contains(c), a.contains(c) || b.contains(c)) << static_cast<uint32_t>(c);
    EXPECT_EQ((a & b).contains(c), a.contains(c) && b.contains(c)) << static_cast<uint32_t>(c);
    EXPECT_EQ((~a).contains(c), !a.contains(c)) << static_cast<uint32_t>(c);
  }
}

}  // namespace
}  // namespace baton::text::pattern
