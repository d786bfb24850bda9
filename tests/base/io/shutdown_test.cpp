#include "base/io/shutdown.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <csignal>

namespace baton {
namespace {

TEST(ShutdownSignal, TheFirstSignalDrainsAndTheLoopCanEnd) {
  boost::asio::io_context io;
  int drained = 0;
  ShutdownSignal* installed = nullptr;
  ShutdownSignal signal(io.get_executor(), [&] {
    ++drained;
    installed->cancel();
  });
  installed = &signal;
  std::raise(SIGTERM);
  io.run();
  EXPECT_EQ(drained, 1);
}

TEST(ShutdownSignal, WhatMpirunPassesOnDrainsToo) {
  boost::asio::io_context io;
  bool drained = false;
  ShutdownSignal* installed = nullptr;
  ShutdownSignal signal(io.get_executor(), [&] {
    drained = true;
    installed->cancel();
  });
  installed = &signal;
  std::raise(SIGUSR1);
  io.run();
  EXPECT_TRUE(drained);
}

TEST(ShutdownSignal, AClosedTerminalDrainsToo) {
  boost::asio::io_context io;
  bool drained = false;
  ShutdownSignal* installed = nullptr;
  ShutdownSignal signal(io.get_executor(), [&] {
    drained = true;
    installed->cancel();
  });
  installed = &signal;
  std::raise(SIGHUP);
  io.run();
  EXPECT_TRUE(drained);
}

TEST(ShutdownSignal, WhereThereIsSomethingToReloadAHangupReloadsEachTime) {
  boost::asio::io_context io;
  int reloaded = 0;
  ShutdownSignal* installed = nullptr;
  ShutdownSignal signal(
      io.get_executor(), [] { FAIL() << "drains"; },
      [&] {
        if (++reloaded == 1) {
          std::raise(SIGHUP);
        } else {
          installed->cancel();
        }
      });
  installed = &signal;
  std::raise(SIGHUP);
  io.run();
  EXPECT_EQ(reloaded, 2);
}

TEST(ShutdownSignal, UnderNohupAClosedTerminalIsIgnored) {
  std::signal(SIGHUP, SIG_IGN);
  boost::asio::io_context io;
  ShutdownSignal signal(io.get_executor(), [] { FAIL() << "drains"; });
  std::raise(SIGHUP);
  io.poll();
  std::signal(SIGHUP, SIG_DFL);
}

TEST(ShutdownSignalDeathTest, TheSecondSignalEndsTheProcessAtOnce) {
  EXPECT_EXIT(
      {
        boost::asio::io_context io;
        ShutdownSignal signal(io.get_executor(), [] { std::raise(SIGTERM); });
        std::raise(SIGTERM);
        io.run();
      },
      ::testing::ExitedWithCode(1), "");
}

}  // namespace
}  // namespace baton
