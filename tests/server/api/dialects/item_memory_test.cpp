#include "server/api/dialects/item_memory.h"

#include <gtest/gtest.h>

namespace baton::server::api {
namespace {

TEST(ItemMemory, finds_what_it_was_given) {
  ItemMemory memory(100);
  memory.put("", "a", "1");
  memory.put("", "a", "2");
  EXPECT_EQ(memory.find("", "a"), "1") << "an id names one item";
  EXPECT_EQ(memory.find("", "b"), std::nullopt);
  EXPECT_EQ(memory.bytes(), std::string("0:a1").size());
}

TEST(ItemMemory, forgets_the_oldest_when_it_is_full) {
  ItemMemory memory(18);
  for (const char* id : {"a", "b", "c", "d"}) memory.put("", id, "123");
  EXPECT_EQ(memory.find("", "a"), std::nullopt);
  EXPECT_EQ(memory.find("", "b"), "123");
  EXPECT_EQ(memory.find("", "d"), "123");
  EXPECT_EQ(memory.bytes(), 18u);
  memory.put("", "e", std::string(18, 'x'));
  EXPECT_EQ(memory.find("", "e"), std::nullopt) << "too large to be kept at all";
  EXPECT_EQ(memory.find("", "d"), "123");
}

TEST(ItemMemory, a_tenant_finds_only_its_own) {
  ItemMemory memory(1000);
  memory.put("one", "msg_1", "1");
  memory.put("two", "msg_1", "2");
  EXPECT_EQ((TenantItems{memory, "one"}.find("msg_1")), "1");
  EXPECT_EQ((TenantItems{memory, "two"}.find("msg_1")), "2");
  EXPECT_EQ(memory.find("", "msg_1"), std::nullopt);
  EXPECT_EQ(memory.find("o", "nemsg_1"), std::nullopt) << "where one ends and the other begins";
}

}  // namespace
}  // namespace baton::server::api
