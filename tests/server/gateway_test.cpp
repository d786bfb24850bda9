#include "server/gateway.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

#include "proto/direct.h"
#include "tests/server/support/fake_model.h"

namespace baton::server {
namespace {

namespace asio = boost::asio;

// A scheduler and a decode instance of a few lines, over direct links on one loop.
class GatewayTest : public ::testing::Test {
 protected:
  GatewayTest() : connector(network.connector(context.get_executor())) {
    decode.name = "decode-0";
    decode.incarnation = Incarnation(7);
    decode.address = "decode";
  }

  void start_scheduler() {
    rpc::Acceptors acceptors;
    acceptors.scheduler = [this](std::unique_ptr<rpc::Link<FromScheduler>> link) {
      to_gateway = std::move(link);
      return rpc::LinkEvents<ToScheduler>{[this](ToScheduler m) { scheduler_hears(std::move(m)); },
                                          [](const Error&) {}};
    };
    auto listening = network.listen(context.get_executor(), "scheduler", std::move(acceptors));
    ASSERT_TRUE(listening);
    scheduler = *std::move(listening);
  }
  void start_decode() {
    rpc::Acceptors acceptors;
    acceptors.decode = [this](std::unique_ptr<rpc::Link<FromDecode>> link) {
      decode_link = std::move(link);
      return rpc::LinkEvents<ToDecode>{[this](ToDecode m) { decode_hears(std::move(m)); },
                                       [](const Error&) {}};
    };
    auto listening = network.listen(context.get_executor(), "decode", std::move(acceptors));
    ASSERT_TRUE(listening);
    decode_listener = *std::move(listening);
  }
  void start_gateway() {
    GatewayOptions options;
    options.scheduler = "scheduler";
    options.reconnect_min = options.reconnect_max = 1ms;
    options.probe.prompt = {1, 2};
    options.probe.stop.max_tokens = 1;
    gateway = std::make_unique<Gateway>(
        context.get_executor(), std::move(options), clock, *connector, [this] { return ++drawn; },
        metrics, Log());
  }

  void scheduler_hears(ToScheduler message) {
    if (std::holds_alternative<WatchCluster>(message)) send_view();
    if (const auto* place = std::get_if<Place>(&message)) {
      if (full) {
        to_gateway->send(NotPlaced{place->request, place->attempt, true, 2s, "It is full."});
      } else {
        to_gateway->send(
            Placed{place->request, place->attempt, decode, {}, false, "The only one."});
      }
    }
  }
  void send_view() {
    ClusterView view;
    view.membership = membership;
    InstanceView instance;
    instance.peer = decode;
    instance.role = Role::decode;
    view.instances = {instance};
    to_gateway->send(view);
  }
  void decode_hears(ToDecode message) {
    if (const auto* submit = std::get_if<Submit>(&message)) {
      submitted.push_back(submit->request);
      if (silent) return;
      Progress progress{submit->request.id, submit->request.attempt, {}, DecodeTimes{}};
      const auto limit = submit->request.stop.max_tokens;
      progress.tokens = testing::events_of(std::string("hello").substr(0, limit));
      decode_link->send(progress);
    } else {
      ++cancels;
    }
  }

  // Runs the loop until `done`, in real time but without waiting for any.
  template <class Done>
  void until(Done done) {
    while (!done()) ASSERT_GT(context.run_one(), 0u) << "the loop has nothing left to do";
  }

  struct Heard {
    std::string text;
    bool finished = false;
    std::optional<api::ApiError> error;
  };
  std::unique_ptr<Generation> submit(Heard& heard) {
    RequestState request;
    request.prompt = {1, 2, 3};
    request.stop.max_tokens = 5;
    GenerationEvents events;
    events.on_tokens = [&heard](std::span<const TokenEvent> tokens) {
      for (const auto& token : tokens) heard.text += token.text;
    };
    events.on_finished = [&heard](const Timeline&) { heard.finished = true; };
    events.on_failed = [&heard](const api::ApiError& error) { heard.error = error; };
    return gateway->submit(std::move(request), std::move(events));
  }

  asio::io_context context{1};
  SystemClock clock;
  Metrics metrics;
  rpc::DirectNetwork network;
  std::unique_ptr<rpc::Connector> connector;
  std::unique_ptr<rpc::Listener> scheduler, decode_listener;
  std::unique_ptr<rpc::Link<FromScheduler>> to_gateway;
  std::unique_ptr<rpc::Link<FromDecode>> decode_link;
  std::unique_ptr<Gateway> gateway;
  Peer decode;
  std::vector<RequestState> submitted;
  uint64_t drawn = 100;
  uint64_t membership = 1;
  bool full = false;
  bool silent = false;
  int cancels = 0;
};

TEST_F(GatewayTest, is_ready_once_its_probe_has_a_token) {
  start_scheduler();
  start_decode();
  start_gateway();
  EXPECT_FALSE(gateway->readiness().ready);
  until([&] { return gateway->readiness().ready; });
  EXPECT_EQ(submitted.size(), 1u);
  EXPECT_EQ(submitted[0].stop.max_tokens, 1u);
}

TEST_F(GatewayTest, probes_again_when_membership_changes) {
  start_scheduler();
  start_decode();
  start_gateway();
  until([&] { return gateway->readiness().ready && gateway->live() == 0; });
  ++membership;
  send_view();
  until([&] { return gateway->cluster().membership == 2; });
  EXPECT_FALSE(gateway->readiness().ready);
  until([&] { return gateway->readiness().ready; });
  EXPECT_EQ(submitted.size(), 2u);
}

TEST_F(GatewayTest, gives_a_requests_tokens_then_its_end) {
  start_scheduler();
  start_decode();
  start_gateway();
  Heard heard;
  const auto generation = submit(heard);
  EXPECT_EQ(heard.text, "") << "nothing from inside submit";
  until([&] { return heard.finished; });
  EXPECT_EQ(heard.text, "hello");
  EXPECT_FALSE(heard.error);
}

TEST_F(GatewayTest, a_full_cluster_is_429_with_the_schedulers_time) {
  start_scheduler();
  start_decode();
  start_gateway();
  full = true;
  Heard heard;
  const auto generation = submit(heard);
  until([&] { return heard.error.has_value(); });
  EXPECT_EQ(heard.error->status, 429);
  EXPECT_EQ(heard.error->retry_after_s, 2);
}

TEST_F(GatewayTest, destroying_the_handle_cancels_at_decode) {
  start_scheduler();
  start_decode();
  start_gateway();
  until([&] { return gateway->readiness().ready && gateway->live() == 0; });
  silent = true;
  Heard heard;
  auto generation = submit(heard);
  until([&] { return submitted.size() == 2; });
  generation.reset();
  EXPECT_EQ(gateway->live(), 0u);
  until([&] { return cancels == 1; });
  EXPECT_FALSE(heard.finished || heard.error);
}

TEST_F(GatewayTest, waits_for_a_scheduler_that_comes_late_or_comes_back) {
  start_decode();
  start_gateway();
  Heard first;
  const auto generation = submit(first);
  for (int i = 0; i < 20; ++i) context.run_one();
  start_scheduler();
  until([&] { return first.finished; });
  to_gateway->close();
  to_gateway.reset();
  Heard second;
  const auto again = submit(second);
  until([&] { return second.finished; });
  EXPECT_EQ(second.text, "hello");
}

TEST_F(GatewayTest, a_draining_gateway_is_not_ready_and_finishes_what_runs) {
  start_scheduler();
  start_decode();
  start_gateway();
  Heard heard;
  const auto generation = submit(heard);
  gateway->drain();
  EXPECT_EQ(gateway->readiness().code, "draining");
  until([&] { return heard.finished; });
}

}  // namespace
}  // namespace baton::server
