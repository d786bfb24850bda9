#include "base/system/processors.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <fstream>
#include <thread>

#include "tests/support/temporary_folder.h"

namespace baton {
namespace {

using Ids = std::vector<unsigned>;
using Ranks = std::vector<Ids>;

std::vector<Processor> machine(unsigned nodes, unsigned cores, bool siblings) {
  std::vector<Processor> all;
  for (unsigned node = 0; node < nodes; ++node) {
    for (unsigned core = 0; core < cores; ++core) {
      const unsigned id = node * cores + core;
      all.push_back({id, node, false});
      if (siblings) all.push_back({id + nodes * cores, node, true});
    }
  }
  return all;
}

std::optional<Ranks> place(const std::vector<Processor>& there, std::vector<uint32_t> threads) {
  return place_ranks(there, threads);
}

TEST(Processors, ListsAreReadAndWritten) {
  EXPECT_EQ(parse_processors("0-3,8").value(), (Ids{0, 1, 2, 3, 8}));
  EXPECT_EQ(parse_processors("5,2").value(), (Ids{5, 2}));
  EXPECT_EQ(parse_processors("").value(), Ids());
  EXPECT_EQ(parse_processors(processors_text(Ids{4, 1, 7})).value(), (Ids{4, 1, 7}));
  for (const char* bad : {"x", "1-", "-1", "3-1", "1,,2", "1,", "99999", "1 2", "4294967296"}) {
    EXPECT_FALSE(parse_processors(bad)) << bad;
  }
}

TEST(Processors, ARankHasItsCoresOnOneNode) {
  const auto there = machine(2, 4, true);
  EXPECT_EQ(place(there, {3, 3}), (Ranks{{0, 1, 2}, {4, 5, 6}}));
  EXPECT_EQ(place(there, {1, 4, 2}), (Ranks{{0}, {4, 5, 6, 7}, {1, 2}}));
  EXPECT_EQ(place(there, {6}), (Ranks{{0, 1, 2, 3, 4, 5}})) << "more than a node has";
}

TEST(Processors, NobodyIsPlacedUnlessACoreIsLeftOver) {
  EXPECT_EQ(place(machine(1, 2, false), {1, 1}), std::nullopt);
  EXPECT_EQ(place(machine(1, 2, true), {1, 1}), std::nullopt) << "siblings are no cores";
  EXPECT_EQ(place(machine(1, 3, false), {1, 1}), (Ranks{{0}, {1}}));
  EXPECT_EQ(place(machine(2, 4, false), {4, 4}), std::nullopt);
  EXPECT_EQ(place({}, {1}), std::nullopt);
}

TEST(Processors, AreThoseThatThisThreadMayRunOn) {
  const auto there = processors();
  ASSERT_FALSE(there.empty());
  EXPECT_FALSE(there.front().sibling);
  std::thread([&] {
    ASSERT_TRUE(run_on(Ids{there.back().id}));
    const auto left = processors();
    ASSERT_EQ(left.size(), 1u);
    EXPECT_EQ(left.front().id, there.back().id);
    EXPECT_FALSE(left.front().sibling) << "its core's other one is not there";
  }).join();
  EXPECT_EQ(processors().size(), there.size()) << "other threads run where they did";
}

TEST(Processors, NodesAndCoresAreReadFromTheSystem) {
  const auto there = processors();
  const testing::TemporaryFolder system;
  const auto folder = [&](unsigned id) {
    return system.path() / "cpu" / ("cpu" + std::to_string(id));
  };
  const unsigned first = there.front().id;
  std::filesystem::create_directories(folder(first) / "node3");
  std::filesystem::create_directories(folder(first) / "topology");
  std::ofstream(folder(first) / "topology" / "thread_siblings_list") << first << "-" << first + 1;
  const auto read = processors(system.path());
  ASSERT_EQ(read.size(), there.size());
  EXPECT_EQ(read.back().id, first) << "node by node";
  EXPECT_EQ(read.back().node, 3u);
}

TEST(Processors, APoolsThreadsStayWhereTheyArePinned) {
  const auto there = processors();
  std::thread([&] {
    ThreadPool pool(3);
    Ids ids;
    for (unsigned t = 0; t < 3; ++t) ids.push_back(there[t % there.size()].id);
    ASSERT_TRUE(pin_threads(pool, ids));
    std::atomic<int> wrong = 0;
    pool.run(300, [&](size_t, unsigned thread) {
      if (static_cast<unsigned>(sched_getcpu()) != ids[thread]) ++wrong;
    });
    EXPECT_EQ(wrong, 0);
  }).join();
}

TEST(Processors, OneThatIsNotThereIsRefused) {
  std::thread([] {
    EXPECT_FALSE(run_on(Ids{CPU_SETSIZE - 1}));
    EXPECT_FALSE(run_near(Ids{CPU_SETSIZE - 1}));
    ThreadPool pool(2);
    EXPECT_FALSE(pin_threads(pool, Ids{0, CPU_SETSIZE - 1}));
  }).join();
}

}  // namespace
}  // namespace baton
