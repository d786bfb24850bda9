#include "base/result.h"

#include <gtest/gtest.h>

#include "base/id.h"

namespace baton {
namespace {

Result<int> half(int n) {
  if (n % 2 != 0) return fail(ErrorCode::invalid_argument, "{} is odd", n);
  return n / 2;
}

Result<int> quarter(int n) {
  BATON_TRY(h, half(n));
  return half(h);
}

Result<void> only_even(int n) {
  BATON_CHECKED(half(n));
  return {};
}

TEST(Result, CarriesAValueOrASentence) {
  EXPECT_EQ(*quarter(8), 2);
  const auto odd = quarter(6);
  ASSERT_FALSE(odd);
  EXPECT_EQ(odd.error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(odd.error().message, "3 is odd");
  EXPECT_TRUE(only_even(2));
  EXPECT_FALSE(only_even(3));
}

TEST(Result, EveryCodeHasAName) {
  for (int code = 0; code <= static_cast<int>(ErrorCode::internal); ++code) {
    EXPECT_FALSE(to_string(static_cast<ErrorCode>(code)).empty());
  }
}

TEST(CheckDeathTest, ABrokenInvariantStopsTheProcessWithItsSentence) {
  EXPECT_DEATH(check(false, "pages don't add up"), "broken invariant: pages don't add up");
  check(true, "holds");
}

TEST(Id, IdsOfDifferentThingsAreDifferentTypes) {
  using A = Id<struct TagA, uint32_t>;
  using B = Id<struct TagB, uint32_t>;
  EXPECT_FALSE((std::is_convertible_v<A, B>));
  EXPECT_LT(A(1), A(2));
  EXPECT_EQ(std::hash<A>{}(A(7)), std::hash<A>{}(A(7)));
}

}  // namespace
}  // namespace baton
