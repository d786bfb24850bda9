#include "server/api/dialects/item_memory.h"

#include <gtest/gtest.h>

namespace baton::server::api {
namespace {

TEST(ItemMemory, finds_what_it_was_given) {
  ItemMemory memory(100);
  memory.put("a", "1");
  memory.put("a", "2");
  EXPECT_EQ(memory.find("a"), "1") << "an id names one item";
  EXPECT_EQ(memory.find("b"), std::nullopt);
  EXPECT_EQ(memory.bytes(), 2u);
}

TEST(ItemMemory, forgets_the_oldest_when_it_is_full) {
  ItemMemory memory(10);
  for (const char* id : {"a", "b", "c", "d"}) memory.put(id, "123");
  EXPECT_EQ(memory.find("a"), std::nullopt);
  EXPECT_EQ(memory.find("b"), std::nullopt);
  EXPECT_EQ(memory.find("d"), "123");
  EXPECT_EQ(memory.bytes(), 8u);
  memory.put("e", std::string(10, 'x'));
  EXPECT_EQ(memory.find("e"), std::nullopt) << "too large to be kept at all";
  EXPECT_EQ(memory.find("d"), "123");
}

}  // namespace
}  // namespace baton::server::api
