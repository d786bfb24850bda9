#include "deploy/kv_table.h"

#include <gmock/gmock.h>

namespace baton::deploy {
namespace {

using testing::HasSubstr;

TEST(KvTable, every_pool_has_a_line_and_what_is_odd_has_one_more) {
  const auto table = kv_table(R"({"membership": 3, "instances": [
    {"instance": "decode-0", "stale": false, "draining": true, "conserved": true,
     "pages": {"total": 9, "free": 1, "reserved": 2, "filling": 0, "in_use": 3, "cached": 3},
     "in_flight": 2, "pinned": 1, "by_tenant": [{"tenant": "a", "pages": 4},
     {"tenant": "", "pages": 1}],
     "oldest_waiting": {"what": "request 7 waits for frames", "waited_s": 1.25, "left_s": 8.0}},
    {"instance": "kvstore-0", "stale": true, "draining": false, "conserved": true,
     "pages": {"total": 5, "free": 0, "reserved": 0, "filling": 0, "in_use": 0, "cached": 5}}]})");
  ASSERT_TRUE(table) << table.error().message;
  EXPECT_THAT(*table, HasSubstr("decode-0              9        1        2        0        3"));
  EXPECT_THAT(*table, HasSubstr("  it is draining\n  4 pages of tenant a\n"));
  EXPECT_THAT(*table, HasSubstr("  1 pages of requests without a tenant\n"));
  EXPECT_THAT(*table, HasSubstr("  request 7 waits for frames, for 1.2 s; 8.0 s are left\n"));
  EXPECT_THAT(*table, HasSubstr("  its heartbeats are late\n"));
}

TEST(KvTable, what_is_something_else_is_refused) {
  for (const char* wrong : {"", "[]", "{}", R"({"instances": [{}]})", R"({"instances": [1]})"})
    EXPECT_FALSE(kv_table(wrong)) << wrong;
}

}  // namespace
}  // namespace baton::deploy
