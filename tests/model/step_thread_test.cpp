#include "model/step_thread.h"

#include <gtest/gtest.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <future>

namespace baton::model {
namespace {

// Two layers; each sequence answers with the number of its rows as a token.
class FakeRunner final : public Runner {
 public:
  kvcache::PageFormat page_format() const override { return {2, 16}; }
  bool has_mtp() const override { return false; }
  void rebalance() override { empty_steps_left = 3; }
  bool settled() const override { return empty_steps_left == 0; }
  parallel::BalanceView balance() const override { return {}; }
  std::vector<SequenceResult> step(std::span<const SequenceRows> sequences, kvcache::PoolMemory&,
                                   const std::function<void(uint32_t)>& layer_done) override {
    if (sequences.empty()) {
      if (--empty_steps_left == 0) all_empty_steps_done.set_value();
      return {};
    }
    layer_done(0);
    layer_done(1);
    std::vector<SequenceResult> results(sequences.size());
    for (size_t i = 0; i < sequences.size(); ++i) {
      results[i].tokens.push_back({.token = static_cast<TokenId>(sequences[i].tokens.size())});
    }
    return results;
  }
  int empty_steps_left = 0;
  std::promise<void> all_empty_steps_done;
};

TEST(StepThread, TellsLayersInOrderThenTheResultsOnItsExecutor) {
  boost::asio::io_context io;
  auto work = boost::asio::make_work_guard(io);
  FakeRunner runner;
  auto pool = kvcache::PoolMemory::create_private(runner.page_format(), 1);
  ASSERT_TRUE(pool);
  std::vector<std::string> told;
  StepEvents events;
  events.on_layer = [&](StepId step, uint32_t layer) {
    told.push_back(fmt::format("step {} layer {}", step.value, layer));
  };
  events.on_done = [&](StepId step, const std::vector<SequenceResult>& results) {
    told.push_back(fmt::format("step {} token {}", step.value, results[0].tokens[0].token));
    work.reset();
  };
  StepThread thread(io.get_executor(), runner, *pool, std::move(events));
  const std::vector<TokenId> tokens = {5, 6, 7};
  SequenceRows rows;
  rows.tokens = tokens;
  thread.run(StepId(9), {rows});
  io.run();
  EXPECT_EQ(told, (std::vector<std::string>{"step 9 layer 0", "step 9 layer 1", "step 9 token 3"}));
}

TEST(StepThread, TakesEmptyStepsUntilTheExpertsAreSettled) {
  boost::asio::io_context io;
  FakeRunner runner;
  auto pool = kvcache::PoolMemory::create_private(runner.page_format(), 1);
  ASSERT_TRUE(pool);
  bool told = false;
  {
    StepThread thread(io.get_executor(), runner, *pool,
                      {.on_layer = {}, .on_done = [&](StepId, const auto&) { told = true; }});
    thread.rebalance();
    runner.all_empty_steps_done.get_future().wait();
  }
  EXPECT_EQ(runner.empty_steps_left, 0);
  io.run();
  EXPECT_FALSE(told) << "nobody asked for these steps";
}

TEST(StepThread, IsSilentOnceDestroyed) {
  boost::asio::io_context io;
  FakeRunner runner;
  auto pool = kvcache::PoolMemory::create_private(runner.page_format(), 1);
  ASSERT_TRUE(pool);
  bool told = false;
  {
    StepThread thread(io.get_executor(), runner, *pool,
                      {.on_layer = {}, .on_done = [&](StepId, const auto&) { told = true; }});
    thread.run(StepId(1), {SequenceRows{}});
  }
  io.run();
  EXPECT_FALSE(told);
}

}  // namespace
}  // namespace baton::model
