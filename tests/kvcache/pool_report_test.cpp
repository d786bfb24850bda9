#include "kvcache/pool_report.h"

#include <gtest/gtest.h>

namespace baton::kvcache {
namespace {

TEST(PoolTally, WhoHoldsMostComesFirstAndWhatHasWaitedLongestIsTold) {
  const Instant now{Duration(100s)};
  PoolTally tally(now);
  tally.holds("b", 2);
  tally.holds("a", 3);
  tally.holds("b", 4);
  tally.holds("c", 0);
  tally.waits("one", now - 2s, now + 5s);
  tally.waits("two", now - 7s, now + 1s);
  tally.waits("three", now, now + 9s);
  EXPECT_EQ(tally.report(3, 1),
            (PoolReport{3, 1, {{"b", 6}, {"a", 3}}, WaitingState{"two", 7s, 1s}}));
}

TEST(PoolTally, TenantsAreBounded) {
  PoolTally tally(Instant{});
  for (size_t i = 0; i < 100; ++i) tally.holds(std::to_string(i), i + 1);
  const PoolReport report = tally.report(0, 0);
  ASSERT_EQ(report.tenants.size(), PoolTally::kTenantsMax);
  EXPECT_EQ(report.tenants[0], (TenantPages{"99", 100}));
  EXPECT_FALSE(report.oldest);
}

}  // namespace
}  // namespace baton::kvcache
