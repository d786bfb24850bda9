#include "kvcache/invariants.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::kvcache {
namespace {

using ::testing::HasSubstr;
using ::testing::Optional;

constexpr PageFormat kFormat{2, 16};

TEST(Invariants, HoldForFreshAndBusyPools) {
  PagePool pool(4);
  HandoffReceiver receiver(pool, kFormat, {});
  EXPECT_EQ(broken_invariant(pool, receiver), std::nullopt);
  ASSERT_TRUE(receiver.open(JobId{1}, {1, 1}, 100, {}));
  pool.allocate(1, PageState::in_use);
  EXPECT_EQ(broken_invariant(pool, receiver), std::nullopt);
}

TEST(Invariants, NameAPageThatWasTakenFromItsSession) {
  PagePool pool(4);
  HandoffReceiver receiver(pool, kFormat, {});
  ASSERT_TRUE(receiver.open(JobId{1}, {1, 1}, 1, {}));
  const PageId page = receiver.pages(JobId{1})->front().page;
  pool.release(page);
  EXPECT_THAT(broken_invariant(pool, receiver), Optional(HasSubstr("is free")));
  pool.allocate(1, PageState::reserved);
  EXPECT_THAT(broken_invariant(pool, receiver), Optional(HasSubstr("epoch")));
  pool.advance(page, PageState::filling);
  pool.advance(page, PageState::in_use);
  EXPECT_THAT(broken_invariant(pool, receiver), Optional(HasSubstr("is in_use")));
}

}  // namespace
}  // namespace baton::kvcache
