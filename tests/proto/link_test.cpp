// The contract of link.h, one suite for every body.
#include "proto/link.h"

#include <gmock/gmock.h>

#include <thread>

#include "proto/direct.h"
#include "proto/grpc_link.h"
#include "tests/proto/loops.h"

namespace baton::rpc {
namespace {

using boost::asio::io_context;
using ::testing::HasSubstr;
using testing::run_until;
using testing::settle;

// A way to make both ends.
class Body {
 public:
  virtual ~Body() = default;
  virtual std::unique_ptr<Connector> connector(io_context& io) = 0;
  virtual std::unique_ptr<Listener> listen(io_context& io, Acceptors acceptors) = 0;
};

class DirectBody final : public Body {
 public:
  explicit DirectBody(LinkLimits limits) : network_(limits) {}
  std::unique_ptr<Connector> connector(io_context& io) override {
    return network_.connector(io.get_executor());
  }
  std::unique_ptr<Listener> listen(io_context& io, Acceptors acceptors) override {
    return network_.listen(io.get_executor(), "here:0", std::move(acceptors)).value();
  }

 private:
  DirectNetwork network_;
};

class GrpcBody final : public Body {
 public:
  explicit GrpcBody(LinkLimits limits) { options_.unsent = options_.unread = limits; }
  std::unique_ptr<Connector> connector(io_context& io) override {
    return grpc_connector(io.get_executor(), options_);
  }
  std::unique_ptr<Listener> listen(io_context& io, Acceptors acceptors) override {
    return grpc_listen(io.get_executor(), "127.0.0.1", 0, std::move(acceptors), options_).value();
  }

 private:
  GrpcOptions options_ = testing::patient();
};

std::unique_ptr<Body> make_body(const std::string& name, LinkLimits limits) {
  if (name == "grpc") return std::make_unique<GrpcBody>(limits);
  return std::make_unique<DirectBody>(limits);
}

// What one end has seen.
template <class Out, class In>
struct End {
  LinkEvents<In> events() {
    return {.on_message = [this](In message) { got.push_back(std::move(message)); },
            .on_down =
                [this](Error error) {
                  ++downs;
                  why = std::move(error);
                }};
  }
  std::unique_ptr<Link<Out>> link;
  std::vector<In> got;
  int downs = 0;
  Error why;
};
using Gateway = End<ToDecode, FromDecode>;
using Decode = End<FromDecode, ToDecode>;

Cancel numbered(uint64_t number) { return {.request = RequestId(number), .attempt = Attempt(1)}; }
GaveUp answer(uint64_t number) { return {.request = RequestId(number), .reason = "none"}; }

class LinkContract : public ::testing::TestWithParam<std::string> {
 protected:
  void open(LinkLimits limits = {.messages_max = 1000}) {
    body = make_body(GetParam(), limits);
    listener = body->listen(io, {.decode = [this](std::unique_ptr<Link<FromDecode>> link) {
                              decode.link = std::move(link);
                              return decode.events();
                            }});
    connector = body->connector(io);
    gateway.link = connector->to_decode(listener->address(), gateway.events());
  }
  void open_and_accept(LinkLimits limits = {.messages_max = 1000}) {
    open(limits);
    run_until(io, [&] { return decode.link != nullptr; });
  }

  io_context io;
  Gateway gateway;
  Decode decode;
  std::unique_ptr<Body> body;
  std::unique_ptr<Listener> listener;
  std::unique_ptr<Connector> connector;
};

TEST_P(LinkContract, messages_may_be_sent_at_once_and_arrive_in_order) {
  open();
  for (uint64_t i = 0; i < 100; ++i) gateway.link->send(numbered(i));
  EXPECT_TRUE(decode.got.empty());
  run_until(io, [&] { return decode.got.size() == 100; });
  for (uint64_t i = 0; i < 100; ++i) EXPECT_TRUE(decode.got[i] == ToDecode(numbered(i)));
}

TEST_P(LinkContract, the_accepting_side_answers) {
  open_and_accept();
  for (uint64_t i = 0; i < 100; ++i) decode.link->send(answer(i));
  EXPECT_TRUE(gateway.got.empty());
  run_until(io, [&] { return gateway.got.size() == 100; });
  for (uint64_t i = 0; i < 100; ++i) EXPECT_TRUE(gateway.got[i] == FromDecode(answer(i)));
}

TEST_P(LinkContract, ten_thousand_messages_in_both_directions) {
  open_and_accept();
  constexpr uint64_t kMessages = 10'000;
  uint64_t asked = 0;
  decode.got.reserve(kMessages);
  while (asked < kMessages) {
    const uint64_t answered = decode.got.size();
    for (; asked < std::min(kMessages, answered + 100); ++asked) {
      gateway.link->send(numbered(asked));
      decode.link->send(answer(asked));
    }
    run_until(io,
              [&] { return decode.got.size() + 50 > asked && gateway.got.size() + 50 > asked; });
  }
  run_until(io, [&] { return decode.got.size() == kMessages && gateway.got.size() == kMessages; });
  for (uint64_t i = 0; i < kMessages; ++i) {
    ASSERT_TRUE(decode.got[i] == ToDecode(numbered(i))) << i;
    ASSERT_TRUE(gateway.got[i] == FromDecode(answer(i))) << i;
  }
}

TEST_P(LinkContract, closing_the_connecting_side_downs_both_once_after_what_was_sent) {
  open_and_accept();
  gateway.link->send(numbered(1));
  gateway.link->close();
  gateway.link->close();
  EXPECT_EQ(gateway.downs, 0) << "never from inside close()";
  run_until(io, [&] { return gateway.downs == 1 && decode.downs == 1; });
  EXPECT_EQ(gateway.why.code, ErrorCode::cancelled);
  EXPECT_EQ(decode.why.code, ErrorCode::unavailable);
  EXPECT_EQ(decode.got.size(), 1u);
  gateway.link->send(numbered(2));
  decode.link->send(answer(2));
  settle(io);
  EXPECT_EQ(gateway.downs + decode.downs, 2);
  EXPECT_EQ(decode.got.size(), 1u);
  EXPECT_TRUE(gateway.got.empty());
}

TEST_P(LinkContract, closing_the_accepting_side_downs_both_once_after_what_was_sent) {
  open_and_accept();
  decode.link->send(answer(1));
  decode.link->close();
  EXPECT_EQ(decode.downs, 0) << "never from inside close()";
  run_until(io, [&] { return gateway.downs == 1 && decode.downs == 1; });
  EXPECT_EQ(decode.why.code, ErrorCode::cancelled);
  EXPECT_EQ(gateway.why.code, ErrorCode::unavailable);
  EXPECT_EQ(gateway.got.size(), 1u);
}

TEST_P(LinkContract, a_destroyed_link_is_silent_and_its_peer_goes_down) {
  open_and_accept();
  decode.link->send(answer(1));
  gateway.link.reset();
  run_until(io, [&] { return decode.downs == 1; });
  settle(io);
  EXPECT_TRUE(gateway.got.empty());
  EXPECT_EQ(gateway.downs, 0);
}

TEST_P(LinkContract, a_link_may_be_destroyed_by_its_own_handlers) {
  open_and_accept();
  auto destroyed = connector->to_decode(listener->address(), {});
  destroyed = connector->to_decode(
      listener->address(),
      {.on_message = [&](FromDecode) { destroyed.reset(); }, .on_down = [](Error) {}});
  decode.link.reset();
  run_until(io, [&] { return decode.link != nullptr; });
  run_until(io, [&] {
    if (decode.link) decode.link->send(answer(1));
    return destroyed == nullptr;
  });
  settle(io);
}

TEST_P(LinkContract, nothing_listening_is_told_by_on_down) {
  open();
  const auto address = listener->address();
  listener.reset();
  Gateway late;
  late.link = connector->to_decode(address, late.events());
  late.link->send(numbered(1));
  EXPECT_EQ(late.downs, 0) << "never from inside connecting";
  run_until(io, [&] { return late.downs == 1; });
  EXPECT_EQ(late.why.code, ErrorCode::unavailable);
  EXPECT_THAT(late.why.message, HasSubstr(address));
}

TEST_P(LinkContract, a_kind_of_link_without_acceptor_is_refused) {
  open();
  End<ToPrefill, FromPrefill> other;
  other.link = connector->to_prefill(listener->address(), other.events());
  run_until(io, [&] { return other.downs == 1; });
  EXPECT_EQ(other.why.code, ErrorCode::unsupported);
}

TEST_P(LinkContract, destroying_the_listener_downs_both_ends) {
  open_and_accept();
  listener.reset();
  run_until(io, [&] { return gateway.downs == 1 && decode.downs == 1; });
  settle(io);
  EXPECT_EQ(gateway.downs + decode.downs, 2);
}

TEST_P(LinkContract, a_peer_that_does_not_read_costs_the_link) {
  open_and_accept({.messages_max = 16, .bytes_max = 1 << 20});
  // The loop does not run, so nobody reads; beyond the queues HTTP/2 holds a bounded amount.
  const Cancel message = numbered(1);
  for (int i = 0; i < 200'000; ++i) gateway.link->send(message);
  run_until(io, [&] { return gateway.downs == 1 && decode.downs == 1; });
  EXPECT_EQ(gateway.why.code, ErrorCode::resource_exhausted);
  EXPECT_LT(decode.got.size(), 200'000u);
}

TEST_P(LinkContract, links_to_all_three_kinds_of_daemon) {
  body = make_body(GetParam(), {});
  std::unique_ptr<Link<FromScheduler>> scheduler;
  std::unique_ptr<Link<FromPrefill>> prefill;
  std::unique_ptr<Link<FromDecode>> decode_link;
  std::vector<std::string> got;
  listener = body->listen(
      io,
      {.scheduler =
           [&](auto link) {
             scheduler = std::move(link);
             return LinkEvents<ToScheduler>{[&](auto) { got.push_back("scheduler"); },
                                            [](Error) {}};
           },
       .prefill =
           [&](auto link) {
             prefill = std::move(link);
             return LinkEvents<ToPrefill>{[&](auto) { got.push_back("prefill"); }, [](Error) {}};
           },
       .decode =
           [&](auto link) {
             decode_link = std::move(link);
             return LinkEvents<ToDecode>{[&](auto) { got.push_back("decode"); }, [](Error) {}};
           }});
  connector = body->connector(io);
  End<ToScheduler, FromScheduler> a;
  End<ToPrefill, FromPrefill> b;
  a.link = connector->to_scheduler(listener->address(), a.events());
  b.link = connector->to_prefill(listener->address(), b.events());
  gateway.link = connector->to_decode(listener->address(), gateway.events());
  a.link->send(WatchCluster{});
  b.link->send(Commit{});
  gateway.link->send(numbered(1));
  run_until(io, [&] { return got.size() == 3; });
  EXPECT_THAT(got, ::testing::UnorderedElementsAre("scheduler", "prefill", "decode"));
  scheduler->send(HeartbeatSeen{});
  prefill->send(JobAlive{});
  run_until(io, [&] { return a.got.size() == 1 && b.got.size() == 1; });
}

TEST_P(LinkContract, the_two_ends_may_live_on_two_threads) {
  body = make_body(GetParam(), {.messages_max = 10'000});
  io_context server_io;
  auto keep = boost::asio::make_work_guard(server_io);
  std::unique_ptr<Link<FromDecode>> echo;
  listener = body->listen(
      server_io, {.decode = [&](std::unique_ptr<Link<FromDecode>> link) {
        echo = std::move(link);
        return LinkEvents<ToDecode>{
            [&](ToDecode message) { echo->send(answer(std::get<Cancel>(message).request.value)); },
            [&](Error) { echo.reset(); }};
      }});
  std::thread server([&] { server_io.run(); });
  connector = body->connector(io);
  gateway.link = connector->to_decode(listener->address(), gateway.events());
  for (uint64_t i = 0; i < 2000; ++i) gateway.link->send(numbered(i));
  run_until(io, [&] { return gateway.got.size() == 2000; });
  gateway.link.reset();
  // A Listener belongs to its executor: it goes where it lived.
  boost::asio::post(server_io, [&] {
    listener.reset();
    keep.reset();
  });
  server.join();
}

TEST_P(LinkContract, everything_may_go_while_messages_are_under_way) {
  for (int round = 0; round < 20; ++round) {
    open_and_accept();
    for (uint64_t i = 0; i < 50; ++i) {
      gateway.link->send(numbered(i));
      decode.link->send(answer(i));
    }
    if (round % 4 == 0) gateway.link.reset();
    if (round % 4 == 1) decode.link.reset();
    if (round % 4 == 2) listener.reset();
    if (round % 4 == 3) connector.reset();
    gateway.link.reset();
    decode.link.reset();
    listener.reset();
  }
}

INSTANTIATE_TEST_SUITE_P(Bodies, LinkContract, ::testing::Values("direct", "grpc"),
                         [](const auto& info) { return info.param; });

TEST(DirectLink, an_address_is_taken_once_and_free_again_afterwards) {
  io_context io;
  DirectNetwork network;
  auto first = network.listen(io.get_executor(), "decode-0", {});
  ASSERT_TRUE(first);
  EXPECT_EQ((*first)->address(), "decode-0");
  EXPECT_EQ(network.listen(io.get_executor(), "decode-0", {}).error().code, ErrorCode::unavailable);
  first->reset();
  EXPECT_TRUE(network.listen(io.get_executor(), "decode-0", {}));
}

TEST(GrpcLink, a_taken_port_is_an_error) {
  io_context io;
  const Acceptors acceptors{.decode = [](auto) { return LinkEvents<ToDecode>{}; }};
  auto first = grpc_listen(io.get_executor(), "127.0.0.1", 0, acceptors, {});
  ASSERT_TRUE(first);
  const std::string address = (*first)->address();
  const auto port = static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
  const auto second = grpc_listen(io.get_executor(), "127.0.0.1", port, acceptors, {});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::unavailable);
}

TEST(GrpcLink, a_listener_without_any_acceptor_is_an_error) {
  io_context io;
  EXPECT_EQ(grpc_listen(io.get_executor(), "127.0.0.1", 0, {}, {}).error().code,
            ErrorCode::invalid_argument);
}

TEST(GrpcLink, a_message_over_the_limit_is_refused_and_costs_the_link) {
  io_context io;
  GrpcOptions options = testing::patient();
  options.message_bytes_max = 10'000;
  Decode decode;
  auto listener = grpc_listen(io.get_executor(), "127.0.0.1", 0,
                              {.decode =
                                   [&](std::unique_ptr<Link<FromDecode>> link) {
                                     decode.link = std::move(link);
                                     return decode.events();
                                   }},
                              options)
                      .value();
  auto connector = grpc_connector(io.get_executor(), options);
  Gateway gateway;
  gateway.link = connector->to_decode(listener->address(), gateway.events());
  Submit large;
  large.request.prompt.assign(9'000, 1);
  gateway.link->send(large);
  run_until(io, [&] { return decode.got.size() == 1; });
  large.request.prompt.assign(11'000, 1);
  gateway.link->send(large);
  run_until(io, [&] { return gateway.downs == 1 && decode.downs == 1; });
  EXPECT_EQ(gateway.why.code, ErrorCode::resource_exhausted);
  EXPECT_EQ(decode.got.size(), 1u);
}

}  // namespace
}  // namespace baton::rpc
