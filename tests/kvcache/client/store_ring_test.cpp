#include "kvcache/client/store_ring.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "kvcache/client/orders.h"

namespace baton::kvcache {
namespace {

std::vector<std::string> stores(uint32_t from, uint32_t to) {
  std::vector<std::string> names;
  for (uint32_t i = from; i < to; ++i) names.push_back("kvstore-" + std::to_string(i));
  return names;
}

std::vector<std::string> owners(const std::vector<std::string>& names) {
  std::vector<std::string> out;
  const StoreRing ring(names);
  for (const uint32_t owner : ring.owners()) out.push_back(names[owner]);
  return out;
}

std::map<std::string, uint32_t> loads(const std::vector<std::string>& owners) {
  std::map<std::string, uint32_t> out;
  for (const std::string& owner : owners) ++out[owner];
  return out;
}

TEST(StoreRing, NoStoreHasMoreThanTheBoundAndNoneStarves) {
  EXPECT_TRUE(StoreRing().empty());
  for (const uint32_t count : {1u, 2u, 3u, 5u, 8u, 17u, 64u}) {
    const auto load = loads(owners(stores(0, count)));
    ASSERT_EQ(load.size(), count);
    const double share = StoreRing::kSlots / static_cast<double>(count);
    for (const auto& [name, slots] : load) {
      EXPECT_LE(slots, std::ceil(StoreRing::kLoadMax * share)) << name << " of " << count;
      EXPECT_GE(slots, share / 2) << name << " of " << count;
    }
  }
}

TEST(StoreRing, TheOrderInWhichStoresAreToldDoesNotMatter) {
  auto names = stores(0, 7);
  const auto before = owners(names);
  std::reverse(names.begin(), names.end());
  EXPECT_EQ(owners(names), before);
}

// A slot moves only from the one that goes, or to the one that comes. With very many stores a few
// more: a full one had turned them away.
TEST(StoreRing, OneThatGoesOrJoinsMovesOnlyItsShare) {
  for (const uint32_t count : {2u, 3u, 6u, 12u, 40u}) {
    const auto all = stores(0, count);
    const auto before = owners(all);
    for (uint32_t lost = 0; lost < count; ++lost) {
      auto left = all;
      left.erase(left.begin() + lost);
      const auto after = owners(left);
      uint32_t share = 0, others = 0;
      for (uint32_t slot = 0; slot < StoreRing::kSlots; ++slot) {
        if (before[slot] == all[lost])
          ++share;
        else
          others += before[slot] != after[slot] ? 1 : 0;
      }
      EXPECT_LE(share, std::ceil(StoreRing::kLoadMax * StoreRing::kSlots / count));
      if (count <= 12)
        EXPECT_EQ(others, 0u) << all[lost] << " of " << count;
      else
        EXPECT_LE(others, share) << all[lost] << " of " << count;
    }
  }
}

TEST(StoreRing, ARunOfPagesHasOneStoreAndLongPromptsHaveSeveral) {
  const StoreRing ring(stores(0, 4));
  PromptPages prompt;
  prompt.first = 5;
  for (uint32_t page = 0; page < 200; ++page) {
    PageName name;
    for (size_t i = 0; i < name.bytes.size(); ++i)
      name.bytes[i] = static_cast<std::byte>((page + 1) * 2654435761u >> (i % 24));
    prompt.names.push_back(name);
  }
  prompt.head.bytes[0] = std::byte{77};
  EXPECT_EQ(prompt.head_of(0), prompt.head);
  EXPECT_EQ(prompt.head_of(10), prompt.head) << "page 15, the last of its run";
  EXPECT_EQ(prompt.head_of(11), prompt.names[11]) << "page 16 heads the next";
  EXPECT_EQ(prompt.head_of(26), prompt.names[11]);
  std::map<uint32_t, uint32_t> pages;
  for (size_t at = 0; at < prompt.names.size(); ++at) ++pages[ring.owner(prompt.head_of(at))];
  EXPECT_GT(pages.size(), 1u);
}

}  // namespace
}  // namespace baton::kvcache
