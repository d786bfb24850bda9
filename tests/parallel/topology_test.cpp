#include "parallel/topology.h"

#include <gtest/gtest.h>

#include <set>

namespace baton::parallel {
namespace {

TEST(Topology, ThePrefillUnitOfTheReport) {
  const Topology t(Layout{.tp = 4, .dp = 8, .ranks_per_host = 8});
  EXPECT_EQ(t.ranks(), 32u);
  EXPECT_EQ(t.groups(), 8u);
  EXPECT_EQ(t.hosts(), 4u);
  EXPECT_EQ(t.groups_per_host(), 2u);
  EXPECT_EQ(t.group_of(13), 3u);
  EXPECT_EQ(t.tp_rank_of(13), 1u);
  EXPECT_EQ(t.host_of(13), 1u);
  EXPECT_EQ(t.index_on_host(13), 5u);
  EXPECT_TRUE(t.same_host(8, 15));
  EXPECT_FALSE(t.same_host(7, 8));
  EXPECT_EQ(*t.ranks_of_group(3).begin(), 12u);
  EXPECT_EQ(t.ranks_of_host(1).size(), 8u);
}

// Every division of small worlds: the maps are inverse to one another and cover each rank once.
TEST(Topology, GroupsAndHostsPartitionTheRanks) {
  for (uint32_t tp : {1, 2, 4, 8}) {
    for (uint32_t dp = 1; dp <= 12; ++dp) {
      for (uint32_t hosted = 0; hosted <= tp * dp; hosted += tp) {
        if (hosted != 0 && tp * dp % hosted != 0) continue;
        const Topology t(Layout{.tp = tp, .dp = dp, .ranks_per_host = hosted});
        std::multiset<uint32_t> by_group, by_host;
        for (uint32_t group = 0; group < t.groups(); ++group) {
          for (const uint32_t rank : t.ranks_of_group(group)) {
            by_group.insert(rank);
            EXPECT_EQ(t.group_of(rank), group);
            EXPECT_EQ(t.rank_of(group, t.tp_rank_of(rank)), rank);
            EXPECT_EQ(t.host_of(rank), t.host_of_group(group)) << "a group is on one host";
          }
        }
        for (uint32_t host = 0; host < t.hosts(); ++host) {
          uint32_t index = 0;
          for (const uint32_t rank : t.ranks_of_host(host)) {
            by_host.insert(rank);
            EXPECT_EQ(t.host_of(rank), host);
            EXPECT_EQ(t.index_on_host(rank), index++);
          }
          for (const uint32_t group : t.groups_of_host(host)) {
            EXPECT_EQ(t.host_of_group(group), host);
          }
        }
        EXPECT_EQ(by_group, by_host);
        EXPECT_EQ(by_group.size(), tp * dp);
        EXPECT_EQ(std::set<uint32_t>(by_group.begin(), by_group.end()).size(), tp * dp);
      }
    }
  }
}

TEST(TopologyDeathTest, AnUncheckedLayoutIsADefect) {
  EXPECT_DEATH(Topology(Layout{.tp = 4, .dp = 2, .ranks_per_host = 2}), "checked");
}

}  // namespace
}  // namespace baton::parallel
