#include "model/instance.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <cstdlib>
#include <thread>

#include "base/system/options.h"
#include "base/system/processors.h"
#include "parallel/exchange/local_port.h"
#include "tests/support/checkpoint_writer.h"
#include "tests/support/temporary_folder.h"

namespace baton::model {
namespace {

class InstanceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    testing::write_checkpoint({}, folder_.path());
    options_.model = folder_.path();
    options_.name = "test-0";
    options_.kv_memory = size_t{4} << 20;
  }

  std::string refusal() const {
    const auto opened = Instance::open(options_, parallel::lone_port(), clock_);
    EXPECT_FALSE(opened);
    return opened ? "" : opened.error().message;
  }

  testing::TemporaryFolder folder_;
  InstanceOptions options_;
  SystemClock clock_;
};

TEST_F(InstanceTest, OpensWhatFitsAndSaysWhatItIs) {
  const auto instance = Instance::open(options_, parallel::lone_port(), clock_);
  ASSERT_TRUE(instance) << instance.error().message;
  const Manifest& manifest = (*instance)->manifest;
  EXPECT_EQ(manifest.model_fingerprint.size(), 64u);
  EXPECT_EQ(manifest.numeric_mode, "exact");
  EXPECT_EQ(manifest.cache_layers, (*instance)->pool.format().layers);
  EXPECT_GE((*instance)->pool.pages(), pages_for((*instance)->context_max));
  EXPECT_FALSE((*instance)->pool.shared_name().empty());
}

TEST_F(InstanceTest, TcpNeedsNoSharedMemory) {
  options_.transport = "tcp";
  const auto instance = Instance::open(options_, parallel::lone_port(), clock_);
  ASSERT_TRUE(instance);
  EXPECT_TRUE((*instance)->pool.shared_name().empty());
}

TEST_F(InstanceTest, RefusesAContextTheModelWasNotMadeFor) {
  options_.max_model_len = 1 << 20;
  EXPECT_NE(refusal().find("--max-model-len"), std::string::npos);
}

TEST_F(InstanceTest, RefusesACacheThatHoldsNotOneLongRequest) {
  options_.kv_memory = 100'000;
  EXPECT_NE(refusal().find("--kv-memory"), std::string::npos);
}

TEST_F(InstanceTest, RefusesLayoutsAndModesItCannotRun) {
  options_.layout = "tp=2,dp=1";
  EXPECT_NE(refusal().find("tp=2"), std::string::npos);
  options_.layout = "tp=1,dp=1";
  options_.mode = "fastest";
  EXPECT_NE(refusal().find("fastest"), std::string::npos);
}

TEST_F(InstanceTest, TakesAProcessorAThread) {
  const auto there = processors();
  std::thread([&] {
    options_.layout = "threads=2";
    options_.processors = processors_text(std::vector{there.front().id, there.back().id});
    EXPECT_TRUE(Instance::open(options_, parallel::lone_port(), clock_));
    options_.processors = std::to_string(there.front().id);
    EXPECT_NE(refusal().find("--processors"), std::string::npos) << "one too few";
    options_.processors = fmt::format("{},{}", there.front().id, CPU_SETSIZE - 1);
    EXPECT_NE(refusal().find(std::to_string(CPU_SETSIZE - 1)), std::string::npos) << "not there";
    options_.processors = fmt::format("{0},{0}", there.front().id);
    EXPECT_NE(refusal().find("more than once"), std::string::npos);
    options_.processors = "many";
    EXPECT_NE(refusal().find("many"), std::string::npos);
  }).join();
  EXPECT_EQ(processors().size(), there.size());
}

// `up` has put both flags together in the name; a worker inherits its environment.
TEST_F(InstanceTest, TheEnvironmentsExpertBitsAreNotForWorkers) {
  CLI::App app;
  add_instance_options(app, options_);
  std::vector<std::string> words = {"worker", "--model", "/m", "--mode", "fast-e4"};
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  ::setenv("BATON_EXPERT_BITS", "8", 1);
  const auto status = parse_options(app, static_cast<int>(argv.size()), argv.data());
  ::unsetenv("BATON_EXPERT_BITS");
  EXPECT_FALSE(status);
  EXPECT_EQ(options_.mode, "fast-e4");
}

}  // namespace
}  // namespace baton::model
