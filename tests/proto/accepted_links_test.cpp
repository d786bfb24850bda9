#include "proto/accepted_links.h"

#include <gtest/gtest.h>

#include "proto/direct.h"
#include "tests/proto/loops.h"

namespace baton::rpc {
namespace {

class AcceptedLinksTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Acceptors acceptors;
    acceptors.decode = links_.acceptor();
    auto listener = network_.listen(io_.get_executor(), "here", std::move(acceptors));
    ASSERT_TRUE(listener);
    listener_ = *std::move(listener);
  }
  std::unique_ptr<Link<ToDecode>> connect() {
    LinkEvents<FromDecode> events;
    events.on_message = [this](const FromDecode&) { ++answers_; };
    events.on_down = [](const Error&) {};
    return connector_->to_decode("here", std::move(events));
  }

  boost::asio::io_context io_;
  std::vector<std::pair<LinkId, RequestId>> said_;
  std::vector<LinkId> down_;
  int answers_ = 0;
  AcceptedLinks<FromDecode, ToDecode> links_{io_.get_executor(),
                                             [this](LinkId from, const ToDecode& message) {
                                               said_.emplace_back(
                                                   from, std::get<Cancel>(message).request);
                                               links_.send(from, Progress{});
                                             },
                                             [this](LinkId link, const Error&) {
                                               links_.send(link, Progress{});  // dropped
                                               down_.push_back(link);
                                             }};
  DirectNetwork network_;
  std::unique_ptr<Connector> connector_ = network_.connector(io_.get_executor());
  std::unique_ptr<Listener> listener_;
};

TEST_F(AcceptedLinksTest, EachHasItsNameAndAnswersGoToWhoAsked) {
  const auto first = connect();
  const auto second = connect();
  first->send(Cancel{RequestId{1}, Attempt{1}});
  second->send(Cancel{RequestId{2}, Attempt{1}});
  testing::run_until(io_, [&] { return said_.size() == 2 && answers_ == 2; });
  EXPECT_NE(said_[0].first, said_[1].first);
}

TEST_F(AcceptedLinksTest, ALinkThatIsDownIsToldOnceAndNoOtherIs) {
  auto first = connect();
  const auto second = connect();
  second->send(Cancel{RequestId{2}, Attempt{1}});
  testing::run_until(io_, [&] { return answers_ == 1; });
  first.reset();
  testing::run_until(io_, [&] { return down_.size() == 1; });
  EXPECT_NE(down_[0], said_[0].first);
  second->send(Cancel{RequestId{3}, Attempt{1}});
  testing::run_until(io_, [&] { return answers_ == 2; });
}

}  // namespace
}  // namespace baton::rpc
