#include "model/team/slot_loader.h"

#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "base/system/processors.h"

namespace baton::model {
namespace {

using parallel::SlotMove;

// A matrix of `expert` rows stands for the expert's weights.
Result<layers::MlpWeights> load(const SlotMove& move) {
  static const std::array<float, 16> values{};
  if (move.expert == 13) return fail(ErrorCode::unavailable, "the file is gone");
  layers::MlpWeights weights;
  weights.gate = kernels::Matrix(kernels::Format::f32,
                                 reinterpret_cast<const std::byte*>(values.data()), move.expert, 1);
  return weights;
}

TEST(SlotLoader, KeepsWhatItLoadedUntilItsEpochSwitches) {
  SlotLoader loader(load);
  const SlotMove first{.layer = 1, .slot = 4, .expert = 3, .epoch = 7};
  const SlotMove second{.layer = 1, .slot = 5, .expert = 2, .epoch = 7};
  loader.begin(first);
  loader.begin(second);
  loader.wait();
  parallel::BalanceReport report;
  loader.tell(report);
  EXPECT_EQ(report.loaded, (std::vector<SlotMove>{first, second}));
  EXPECT_TRUE(report.failed.empty());
  loader.tell(report);
  EXPECT_TRUE(report.loaded.empty()) << "told once";
  const auto taken = loader.take(7);
  ASSERT_EQ(taken.size(), 2u);
  EXPECT_EQ(taken[0].move, first);
  EXPECT_EQ(taken[0].weights.gate.rows(), 3u);
  EXPECT_EQ(taken[1].weights.gate.rows(), 2u);
  EXPECT_TRUE(loader.take(7).empty());
}

TEST(SlotLoader, SaysWhatCantBeHad) {
  SlotLoader loader(load);
  const SlotMove move{.slot = 1, .expert = 13, .epoch = 1};
  loader.begin(move);
  loader.wait();
  parallel::BalanceReport report;
  loader.tell(report);
  EXPECT_EQ(report.failed, std::vector<SlotMove>{move});
  EXPECT_TRUE(loader.take(1).empty());
}

TEST(SlotLoader, ANewerEpochLetsGoOfWhatWasForAnOlderOne) {
  std::promise<void> gate;
  std::shared_future<void> open = gate.get_future();
  SlotLoader loader([open](const SlotMove& move) {
    open.wait();
    return load(move);
  });
  loader.begin({.slot = 1, .expert = 1, .epoch = 1});
  loader.begin({.slot = 2, .expert = 1, .epoch = 1});
  const SlotMove newer{.slot = 1, .expert = 4, .epoch = 2};
  loader.begin(newer);
  gate.set_value();
  loader.wait();
  parallel::BalanceReport report;
  loader.tell(report);
  EXPECT_EQ(report.loaded, std::vector<SlotMove>{newer});
  EXPECT_TRUE(loader.take(1).empty());
}

TEST(SlotLoader, EndsWithMovesWaiting) {
  SlotLoader loader(load);
  for (uint32_t slot = 0; slot < 100; ++slot) loader.begin({.slot = slot, .expert = 1, .epoch = 1});
}

// A runner's compute thread stays on one core from its first step on, and moves are begun by it.
TEST(SlotLoader, LoadsWhereItWasMade) {
  const size_t there = processors().size();
  std::thread([&] {
    size_t seen = 0;
    SlotLoader loader([&](const SlotMove& move) {
      seen = processors().size();
      return load(move);
    });
    ASSERT_TRUE(run_on(std::vector{processors().front().id}));
    loader.begin({.slot = 1, .expert = 1, .epoch = 1});
    loader.wait();
    EXPECT_EQ(seen, there);
  }).join();
}

}  // namespace
}  // namespace baton::model
