// Experts move while sequences run, and no byte shows it: the ranks are threads of this process.
#include <gtest/gtest.h>

#include "base/hash/counter_rng.h"
#include "tests/model/harness.h"
#include "tests/support/checkpoint_writer.h"
#include "tests/support/temporary_folder.h"

namespace baton::model {
namespace {

using testing::Harness;
using testing::Session;

class ExpertsMove : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    testing::CheckpointSpec spec;
    spec.config["num_attention_heads"] = 8;
    testing::write_checkpoint(spec, folder_.path());
    checkpoint_.emplace(checkpoint::Checkpoint::open(folder_.path()).value());
  }
  Session open(Harness& harness) const {
    SeededRandom random(3);
    std::vector<TokenId> prompt(40);
    for (TokenId& token : prompt) token = static_cast<TokenId>(random.below(96));
    Session session = harness.open(prompt, 400);
    session.sampling.temperature = 0.9f;
    session.sampling.seed = 4;
    session.verify_drafts = true;
    return session;
  }
  testing::TemporaryFolder folder_;
  std::optional<checkpoint::Checkpoint> checkpoint_;
};

TEST_P(ExpertsMove, AndNoByteShowsIt) {
  const auto layout = parallel::parse_layout(GetParam()).value();
  RunnerOptions options{.layout = layout, .rows_max = 96};
  options.balance.report_steps = 2;
  options.balance.window = 4;
  options.balance.gain_min = 0.001;
  Harness harness(*checkpoint_, options);
  Session moved = open(harness);
  harness.prefill(moved, 16);
  const auto switched = [&] { return harness.runner().balance().layers_switched; };
  for (int step = 0; step < 60; ++step) {
    if (harness.runner().settled() && step % 8 == 0) harness.runner().rebalance();
    const uint64_t before = switched();
    harness.decode_step(moved);
    // Loaders have all the time they need; but each placement serves a decode step.
    while (!harness.runner().settled() && switched() == before) {
      harness.runner().step({}, harness.cache(), {});
      std::this_thread::yield();
    }
  }
  EXPECT_GT(switched(), 2u) << "or nothing was tested";

  Harness one(*checkpoint_, {.rows_max = 96});
  Session still = open(one);
  one.prefill(still, 40);
  one.decode(still, moved.output.size());
  auto digests = still.digests();
  auto output = still.output;
  digests.resize(moved.output.size());
  output.resize(moved.output.size());
  EXPECT_EQ(moved.output, output);
  EXPECT_EQ(moved.digests(), digests);
}

TEST_P(ExpertsMove, InAnIdleInstanceToo) {
  const auto layout = parallel::parse_layout(GetParam()).value();
  RunnerOptions options{.layout = layout, .rows_max = 96};
  options.balance.gain_min = 0;
  Harness harness(*checkpoint_, options);
  Session session = open(harness);
  harness.prefill(session, 16);
  harness.runner().rebalance();
  while (!harness.runner().settled()) {
    harness.runner().step({}, harness.cache(), {});
    std::this_thread::yield();
  }
  EXPECT_TRUE(harness.runner().settled());
  EXPECT_EQ(harness.runner().balance().plans, 1u);
  EXPECT_EQ(harness.runner().balance().moves_failed, 0u);
  EXPECT_GT(harness.runner().balance().layers_switched, 0u);
  EXPECT_GT(harness.runner().balance().slots_moved, 0u);
}

INSTANTIATE_TEST_SUITE_P(Layouts, ExpertsMove,
                         ::testing::Values("tp=2,dp=2,redundant=5",
                                           "tp=1,dp=4,redundant=4,shared=routed,overlap=on",
                                           "tp=2,dp=2,ranks_per_host=2,redundant=8"),
                         [](const auto& info) { return fmt::format("{}", info.index); });

}  // namespace
}  // namespace baton::model
