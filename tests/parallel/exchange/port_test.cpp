// What every body of a port does; ranks under mpirun repeat it (world_ranks.cpp).
#include "parallel/exchange/port.h"

#include <gtest/gtest.h>

#include "parallel/exchange/collectives.h"
#include "parallel/exchange/delayed_port.h"
#include "tests/parallel/exchange/port_contract.h"
#include "tests/parallel/exchange/ranks.h"

namespace baton::parallel {
namespace {

TEST(LocalPort, KeepsTheContractOfPorts) {
  for (const uint32_t ranks : {1u, 2u, 5u, 8u}) {
    testing::on_ranks(ranks, [](Port& port) { EXPECT_EQ(testing::broken_contract(port), ""); });
  }
}

TEST(DelayedPort, KeepsTheContractOfPorts) {
  LocalHub hub(4);
  const SystemClock clock;
  std::vector<std::thread> threads;
  for (uint32_t r = 0; r < 4; ++r) {
    threads.emplace_back([&, r] {
      const auto port = delayed_port(hub.port(r), 2, 10us, clock);
      EXPECT_EQ(testing::broken_contract(*port), "");
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(DelayedPort, HoldsWhatComesFromAnotherHostUntilItsTime) {
  LocalHub hub(2);
  ManualClock clock;
  const auto from = delayed_port(hub.port(0), 1, 5ms, clock);
  const auto to = delayed_port(hub.port(1), 1, 5ms, clock);
  const std::byte sent{7};
  std::byte got{0};
  from->wait(from->send(1, 0, std::span(&sent, 1)));
  const Transfer arrival = to->receive(0, 0, std::span(&got, 1));
  EXPECT_FALSE(to->done(arrival));
  clock.advance(4999us);
  EXPECT_FALSE(to->done(arrival));
  clock.advance(1us);
  EXPECT_TRUE(to->done(arrival));
  EXPECT_EQ(to->wait(arrival), 1u);
  EXPECT_EQ(got, sent);
}

}  // namespace
}  // namespace baton::parallel
