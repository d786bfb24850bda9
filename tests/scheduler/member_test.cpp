#include "scheduler/member.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

#include "proto/direct.h"
#include "scheduler/scheduler_service.h"

namespace baton::scheduler {
namespace {

class MemberTest : public ::testing::Test {
 protected:
  void serve() {
    service_ =
        std::make_unique<SchedulerService>(io_.get_executor(), clock_, Log(), SchedulerLimits{});
    auto listener = network_.listen(io_.get_executor(), "scheduler", service_->acceptors());
    ASSERT_TRUE(listener);
    listener_ = *std::move(listener);
  }

  std::unique_ptr<Member> join(const std::string& name, uint64_t incarnation) {
    Identity identity;
    identity.peer = {name, Incarnation(incarnation), "somewhere:1"};
    return std::make_unique<Member>(
        io_.get_executor(), *connector_, "scheduler", identity, Log(),
        MemberEvents{[this, incarnation] { fenced_.push_back(incarnation); },
                     [this, incarnation] { rebalanced_.push_back(incarnation); }});
  }

  // Runs the loop until `done`, at most five seconds.
  template <class Done>
  void run_until(Done done) {
    const Instant end = clock_.now() + 5s;
    while (!done() && clock_.now() < end) io_.run_one_for(std::chrono::milliseconds(20));
    EXPECT_TRUE(done());
  }

  const SystemClock clock_;
  boost::asio::io_context io_;
  rpc::DirectNetwork network_;
  std::unique_ptr<rpc::Connector> connector_ = network_.connector(io_.get_executor());
  std::unique_ptr<SchedulerService> service_;
  std::unique_ptr<rpc::Listener> listener_;
  std::vector<uint64_t> fenced_, rebalanced_;
};

TEST_F(MemberTest, ItsHeartbeatsMakeItKnown) {
  serve();
  const auto member = join("decode-0", 7);
  member->beat({});
  run_until([&] { return service_->view().instances.size() == 1; });
  EXPECT_EQ(service_->view().instances[0].peer, member->identity().peer);
}

TEST_F(MemberTest, IsToldToPlaceItsExpertsAnew) {
  serve();
  const auto member = join("decode-0", 7);
  const auto other = join("prefill-0", 8);
  member->beat({});
  other->beat({});
  run_until([&] { return service_->view().instances.size() == 2; });
  const auto gateway =
      connector_->to_scheduler("scheduler", {[](const FromScheduler&) {}, [](const Error&) {}});
  gateway->send(Rebalance{Incarnation(9)});
  gateway->send(Rebalance{Incarnation(7)});
  run_until([&] { return !rebalanced_.empty(); });
  EXPECT_EQ(rebalanced_, std::vector<uint64_t>{7});
}

TEST_F(MemberTest, FindsASchedulerThatComesLate) {
  const auto member = join("decode-0", 7);
  member->beat({});
  io_.poll();
  serve();
  run_until([&] {
    member->beat({});
    return service_->view().instances.size() == 1;
  });
}

TEST_F(MemberTest, AnOlderLifeOfTheNameIsFenced) {
  serve();
  const auto older = join("decode-0", 7);
  older->beat({});
  run_until([&] { return service_->view().instances.size() == 1; });
  const auto newer = join("decode-0", 8);
  newer->beat({});
  run_until([&] {
    older->beat({});
    return !fenced_.empty();
  });
  EXPECT_EQ(fenced_[0], 7u);
  for (int beats = 0; beats < 3; ++beats) {
    older->beat({});
    io_.poll();
  }
  EXPECT_EQ(fenced_.size(), 1u);  // once is enough
}

}  // namespace
}  // namespace baton::scheduler
