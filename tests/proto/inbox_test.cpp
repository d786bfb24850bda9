#include "proto/inbox.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

namespace baton::rpc {
namespace {

struct Fixture : ::testing::Test {
  std::shared_ptr<Inbox<int>> make(LinkLimits limits = {}) {
    return std::make_shared<Inbox<int>>(io.get_executor(), limits, [this] { ++rooms; });
  }
  LinkEvents<int> events() {
    return {.on_message = [this](int message) { got.push_back(message); },
            .on_down = [this](const Error&) { ++downs; }};
  }
  boost::asio::io_context io;
  std::vector<int> got;
  int downs = 0;
  int rooms = 0;
};
using InboxTest = Fixture;

TEST_F(InboxTest, delivers_on_the_executor_what_came_before_it_was_opened) {
  auto inbox = make();
  inbox->push(1);
  inbox->push(2);
  inbox->open(events());
  EXPECT_TRUE(got.empty());
  io.run();
  EXPECT_EQ(got, (std::vector{1, 2}));
}

TEST_F(InboxTest, end_comes_after_the_messages_and_once) {
  auto inbox = make();
  inbox->open(events());
  inbox->push(1);
  inbox->end(Error{});
  inbox->end(Error{});
  EXPECT_EQ(inbox->push(2), Pushed::refused);
  io.run();
  EXPECT_EQ(got, std::vector{1});
  EXPECT_EQ(downs, 1);
  inbox->abort(Error{});
  io.restart();
  io.run();
  EXPECT_EQ(downs, 1);
}

TEST_F(InboxTest, abort_drops_the_messages) {
  auto inbox = make();
  inbox->open(events());
  inbox->push(1);
  inbox->abort(Error{});
  io.run();
  EXPECT_TRUE(got.empty());
  EXPECT_EQ(downs, 1);
}

TEST_F(InboxTest, silence_leaves_nothing_to_be_called) {
  auto inbox = make();
  inbox->open(events());
  inbox->push(1);
  inbox->silence();
  inbox->end(Error{});
  io.run();
  EXPECT_TRUE(got.empty());
  EXPECT_EQ(downs, 0);
}

TEST_F(InboxTest, a_handler_may_silence_its_own_inbox) {
  auto inbox = make();
  auto held = std::make_shared<int>(0);
  inbox->open({.on_message =
                   [&, held](int message) {
                     inbox->silence();
                     got.push_back(message + *held);  // the handler's own state is alive still
                   },
               .on_down = [this](const Error&) { ++downs; }});
  inbox->push(1);
  inbox->push(2);
  io.run();
  EXPECT_EQ(got, std::vector{1});
  EXPECT_EQ(held.use_count(), 1) << "a silenced inbox lets go of its handlers";
}

TEST_F(InboxTest, says_when_it_is_full_and_when_there_is_room_again) {
  auto inbox = make({.messages_max = 4});
  inbox->open(events());
  EXPECT_EQ(inbox->push(1), Pushed::room);
  EXPECT_EQ(inbox->push(2), Pushed::room);
  EXPECT_EQ(inbox->push(3), Pushed::room);
  EXPECT_EQ(inbox->push(4), Pushed::full);
  EXPECT_EQ(inbox->push(5), Pushed::over);
  io.run();
  EXPECT_EQ(rooms, 1);
  EXPECT_EQ(got, (std::vector{1, 2, 3, 4}));
}

TEST_F(InboxTest, counts_bytes_too) {
  auto inbox = make({.messages_max = 100, .bytes_max = 10});
  EXPECT_EQ(inbox->push(1, 9), Pushed::room);
  EXPECT_EQ(inbox->push(2, 9), Pushed::full);
  EXPECT_EQ(inbox->push(3, 1), Pushed::over);
}

TEST_F(InboxTest, on_down_lets_go_of_the_handlers) {
  auto inbox = make();
  auto held = std::make_shared<int>(0);
  inbox->open({.on_message = [held](int) {}, .on_down = [held](const Error&) {}});
  inbox->end(Error{});
  io.run();
  EXPECT_EQ(held.use_count(), 1);
}

}  // namespace
}  // namespace baton::rpc
