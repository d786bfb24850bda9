#include "server/routes/pool_json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace baton::server {
namespace {

TEST(PoolJson, saysWhoHoldsAndWhatWaits) {
  const PoolReport pool{3, 1, {{"a", 5}, {"", 2}}, WaitingState{"request 1 waits", 1500ms, 2s}};
  EXPECT_EQ(pool_json(pool).dump(),
            R"({"in_flight":3,"pinned":1,"by_tenant":[{"tenant":"a","pages":5},)"
            R"({"tenant":"","pages":2}],"oldest_waiting":{"what":"request 1 waits",)"
            R"("waited_s":1.5,"left_s":2.0}})");
  EXPECT_TRUE(pool_json(PoolReport{})["oldest_waiting"].is_null());
}

}  // namespace
}  // namespace baton::server
