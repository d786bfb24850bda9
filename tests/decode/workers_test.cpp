// The shells of both kinds of worker, with a tiny model over direct links: how their lives end.
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

#include "decode/decode_worker.h"
#include "parallel/exchange/local_port.h"
#include "prefill/prefill_worker.h"
#include "proto/direct.h"
#include "scheduler/scheduler_service.h"
#include "tests/simulation/fake_model.h"
#include "tests/support/checkpoint_writer.h"
#include "tests/support/temporary_folder.h"

namespace baton {
namespace {

class WorkersTest : public ::testing::Test {
 protected:
  void SetUp() override {
    testing::write_checkpoint({}, folder_.path());
    options_.instance.model = folder_.path();
    options_.instance.name = "worker-0";
    options_.instance.scheduler = "scheduler";
    options_.instance.transport = "tcp";
    options_.instance.kv_memory = size_t{4} << 20;
    options_.instance.max_num_seqs = 2;
    decode::fit_rows(options_);
    auto instance = model::Instance::open(options_.instance, parallel::lone_port(), clock_);
    ASSERT_TRUE(instance) << instance.error().message;
    instance_ = *std::move(instance);
    auto listener = network_.listen(io_.get_executor(), "scheduler", scheduler_.acceptors());
    ASSERT_TRUE(listener);
    listener_ = *std::move(listener);
  }

  // Runs the loop until `done`, at most ten seconds.
  template <class Done>
  void run_until(Done done) {
    const Instant end = clock_.now() + 10s;
    while (!done() && clock_.now() < end) io_.run_one_for(std::chrono::milliseconds(20));
    EXPECT_TRUE(done());
  }

  // Another life of the name joins: the worker must end by itself, and once it has, a drain that
  // is asked for is answered too.
  template <class Worker>
  void expect_that_it_ends_when_fenced(Worker& worker) {
    bool ended = false;
    worker.start("here", [&] { ended = true; });
    run_until([&] { return scheduler_.view().instances.size() == 1; });
    scheduler::Identity other;
    other.peer = {"worker-0", Incarnation{1}, "elsewhere"};
    scheduler::Member later(io_.get_executor(), *connector_, "scheduler", other, Log(),
                            {.on_fenced = [] {}, .on_rebalance = [] {}});
    later.beat({});
    run_until([&] { return ended; });
    bool drained = false;
    worker.drain([&] { drained = true; });
    run_until([&] { return drained; });
  }

  const SystemClock clock_;
  boost::asio::io_context io_;
  testing::TemporaryFolder folder_;
  decode::DecodeOptions options_;
  std::unique_ptr<model::Instance> instance_;
  rpc::DirectNetwork network_;
  std::unique_ptr<rpc::Connector> connector_ = network_.connector(io_.get_executor());
  scheduler::SchedulerService scheduler_{io_.get_executor(), clock_, Log(),
                                         scheduler::SchedulerLimits{}};
  std::unique_ptr<rpc::Listener> listener_;
};

TEST_F(WorkersTest, APrefillThatIsFencedDrainsAndEnds) {
  prefill::PrefillWorker worker(io_.get_executor(), clock_, Log(), *instance_,
                                {.instance = options_.instance}, *connector_);
  expect_that_it_ends_when_fenced(worker);
}

TEST_F(WorkersTest, ADecodeThatIsFencedDrainsAndEnds) {
  const text::Tokenizer tokenizer = simulation::fake_tokenizer();
  auto worker = decode::DecodeWorker::create(io_.get_executor(), clock_, Log(), *instance_,
                                             tokenizer, options_, *connector_);
  ASSERT_TRUE(worker) << worker.error().message;
  expect_that_it_ends_when_fenced(**worker);
}

}  // namespace
}  // namespace baton
